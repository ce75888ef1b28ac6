// Package scaledjpeg decodes JPEG pictures to planes at 1/1, 1/2, 1/4 or 1/8
// of their size, from a stream, in memory that depends on the planes and not
// on the file.
package scaledjpeg
