"""What neighbours and classifiers predict: labels of crops, objects of captions."""
