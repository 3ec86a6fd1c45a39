"""`onecard demo`: the whole way of a tap on one machine, from a card in a reader to the platform's acknowledgement."""
