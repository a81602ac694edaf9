"""The colours of all figures, told apart by readers with any common colour vision."""

#: Okabe and Ito's colours (2008, https://jfly.uni-koeln.de/color/) and two greys.
PALETTE = {
    "blue": "#0072B2",
    "orange": "#E69F00",
    "black": "#000000",
    "green": "#009E73",
    "purple": "#CC79A7",
    "sky": "#56B4E9",
    "vermillion": "#D55E00",
    "yellow": "#F0E442",
    "grey": "#6E6E6E",
    "light": "#BFBFBF",
}
