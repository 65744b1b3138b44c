"""How well the network learns real tables with nothing set, beside what users would pick instead."""
