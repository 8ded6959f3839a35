"""What every table of the collector is made with."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, MetaData

metadata = MetaData()
Id = BigInteger().with_variant(Integer(), "sqlite")


def own_id() -> Column[int]:
    """Return the key that rows are numbered by."""
    return Column("id", Id, primary_key=True, autoincrement=True)


def of_device() -> Column[int]:
    """Return the reference to the device."""
    return Column("device_id", Id, ForeignKey("devices.id"), nullable=False)


def of_boot() -> Column[int]:
    """Return the reference to the boot of the device."""
    return Column("boot_id", Id, ForeignKey("boots.id"), nullable=False)
