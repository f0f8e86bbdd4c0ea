"""Events as bytes; opens no file."""
