package sqsserver

import "iter"

// Actions returns the names of all actions.
func Actions() iter.Seq[string] {
	return func(yield func(string) bool) {
		for name := range actions {
			if !yield(name) {
				return
			}
		}
	}
}
