"""What a person reads: tables, words, progress."""
