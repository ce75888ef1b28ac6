//go:build !race

package thumbnail

const underRace = false
