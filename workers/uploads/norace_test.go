//go:build !race

package uploads

const underRace = false
