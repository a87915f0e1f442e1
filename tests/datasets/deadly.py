"""A target for tests whose writing of one image ends the worker, as a crash in a decoder does."""

import os

from graytorgb.datasets.targets.folder import FolderTarget


class DeadlyTarget(FolderTarget):
    def write(self, task, request):
        if task.key == "dogs/1.png":
            os._exit(1)
        return super().write(task, request)
