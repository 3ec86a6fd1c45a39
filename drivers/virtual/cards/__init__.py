"""Virtual cards: chips in software, made from card files, that any virtual reader can carry."""
