"""Hardware, and nothing else: readers, scanners, boards and the card applications spoken over them."""
