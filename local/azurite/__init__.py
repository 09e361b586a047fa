"""Azurite, the local stack's storage account: blobs, queues and tables on free ports."""

from local.azurite.access_log import Operation
from local.azurite.process import Azurite, AzuriteError

__all__ = ["Azurite", "AzuriteError", "Operation"]
