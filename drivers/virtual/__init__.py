"""The same devices in software, shipped with the product, speaking the real protocols on the real transports."""
