"""Virtio devices on PCI.  (VIRTIO 1.2, OASIS Committee Specification 01)

Modern only: all that a driver and a device share is little-endian, whatever the guest's byte order.
"""
