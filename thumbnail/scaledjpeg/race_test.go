//go:build race

package scaledjpeg

const underRace = true
