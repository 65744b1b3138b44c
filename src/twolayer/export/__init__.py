"""A model as one file for another language or library.

One description of the model (`description`) is put into real programs (`static`); C and ONNX are made of it, too.
"""
