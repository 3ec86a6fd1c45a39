"""Card applications spoken over any :class:`drivers.api.CardChannel`."""
