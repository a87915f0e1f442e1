"""Tests of ONNX models with one input channel."""
