//go:build race

package thumbnail

// underRace: the race detector allocates by itself, so counts mean nothing.
const underRace = true
