// asset
