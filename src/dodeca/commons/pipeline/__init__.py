"""The media pipeline: ffmpeg apart and bounded, files that are heard while they are made, HLS of any rendition.

Products say what to encode, where results are kept, and who may hear or see them. Pictures and their thumbnails are
`kernel.media.images`; what a file says of itself (tags) is the product's."""
