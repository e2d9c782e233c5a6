"""What Textual shows: lines, and nothing that knows what they mean."""
