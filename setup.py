"""Everything is in setup.cfg; the optional C extension will be declared here."""

from setuptools import setup

setup()
