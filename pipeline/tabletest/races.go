package tabletest

import (
	"errors"
	"fmt"
	"sync"

	"sluice/pipeline"
)

func raceCases() []Case {
	return []Case{
		{"one-absent-winner", "Operations on one item are linearizable: of many that put if absent, exactly one succeeds.", checkOneAbsentWinner},
		{"one-at-version-winner", "Operations on one item are linearizable: of many that put at one version, exactly one succeeds.", checkOneAtVersionWinner},
		{"one-delete-winner", "Operations on one item are linearizable: of many that delete at one version, exactly one succeeds.", checkOneDeleteWinner},
		{"put-or-delete-wins", "Operations on one item are linearizable: of a put and a delete at one version, exactly one succeeds.", checkPutOrDeleteWins},
		{"concurrent-use", "All methods are safe for concurrent use.", checkConcurrentUse},
	}
}

const (
	raceRounds = 8
	racers     = 8
)

// race calls run from n goroutines, which start together, and returns nil if
// exactly one call succeeded and all others returned a conflict.
func race(n int, run func(i int) error) error {
	errs := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = run(i)
		})
	}
	close(start)
	wg.Wait()

	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		if err := wantConflict("a call that lost", err); err != nil {
			return err
		}
	}
	if won != 1 {
		return fmt.Errorf("%d of %d calls succeeded, want exactly 1", won, n)
	}
	return nil
}

func checkOneAbsentWinner(t *trial) error {
	for round := range raceRounds {
		k := t.key(fmt.Sprintf("r%d", round))
		if err := race(racers, func(i int) error {
			return t.put(k, fmt.Sprintf(`{"racer":%d}`, i), pipeline.Absent())
		}); err != nil {
			return err
		}
	}
	return nil
}

func checkOneAtVersionWinner(t *trial) error {
	for round := range raceRounds {
		it, err := t.create(t.key(fmt.Sprintf("r%d", round)), `{"racer":-1}`)
		if err != nil {
			return err
		}
		if err := race(racers, func(i int) error {
			return t.put(it.Key, fmt.Sprintf(`{"racer":%d}`, i), pipeline.AtVersion(it.Version))
		}); err != nil {
			return err
		}
	}
	return nil
}

func checkOneDeleteWinner(t *trial) error {
	for round := range raceRounds {
		it, err := t.create(t.key(fmt.Sprintf("r%d", round)), `{}`)
		if err != nil {
			return err
		}
		if err := race(racers, func(int) error {
			return t.table.Delete(t.ctx, it.Key, pipeline.AtVersion(it.Version))
		}); err != nil {
			return err
		}
	}
	return nil
}

func checkPutOrDeleteWins(t *trial) error {
	for round := range 4 * raceRounds {
		it, err := t.create(t.key(fmt.Sprintf("r%d", round)), `{"racer":-1}`)
		if err != nil {
			return err
		}
		if err := race(2, func(i int) error {
			if i == 0 {
				return t.table.Delete(t.ctx, it.Key, pipeline.AtVersion(it.Version))
			}
			return t.put(it.Key, `{"racer":1}`, pipeline.AtVersion(it.Version))
		}); err != nil {
			return err
		}
	}
	return nil
}

func checkConcurrentUse(t *trial) error {
	errs := make([]error, racers)
	var wg sync.WaitGroup
	for i := range racers {
		wg.Go(func() { errs[i] = t.useAlone(i) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	items, err := t.query(t.pk, "u")
	if err != nil {
		return err
	}
	if want := racers * raceRounds; len(items) != want {
		return fmt.Errorf("query yielded %d items at the end, want %d", len(items), want)
	}
	return nil
}

// useAlone works on keys that no other goroutine uses.
func (t *trial) useAlone(user int) error {
	for round := range raceRounds {
		data := fmt.Sprintf(`{"user":%d,"round":%d}`, user, round)
		kept, err := t.create(t.key(fmt.Sprintf("u%d-%d", user, round)), data)
		if err != nil {
			return err
		}
		gone, err := t.create(t.key(fmt.Sprintf("g%d-%d", user, round)), data)
		if err != nil {
			return err
		}
		if err := t.remove(gone); err != nil {
			return err
		}
		got, err := t.get(kept.Key)
		if err != nil {
			return err
		}
		if err := wantData("get", got.Data, []byte(data)); err != nil {
			return err
		}
	}
	return nil
}
