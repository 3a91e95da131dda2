"""What a guest's network card is plugged into."""
