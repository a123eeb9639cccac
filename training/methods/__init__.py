"""The methods of training, one file each: SSD, VAE, classifier and patch memory."""
