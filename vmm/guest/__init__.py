"""What a VMM program is made of: images, boot conventions, boards as data, devices as pure state machines."""
