//go:build race

package uploads

// underRace: the race detector allocates by itself, so its memory means nothing.
const underRace = true
