package tables

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/deploy/local/store"
	"sluice/pipeline"
)

// childVariable makes the test binary the child of TestKilled: it writes into the
// table in the folder that it names, until it is killed.
const childVariable = "SLUICE_TABLES_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVariable); dir != "" {
		fmt.Fprintln(os.Stderr, "child:", writeUntilKilled(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

var childKeys = func() (keys []pipeline.Key) {
	for i := range 16 {
		keys = append(keys, pipeline.Key{PK: fmt.Sprint("p", i%4), SK: fmt.Sprint("s", i)})
	}
	return keys
}()

// writeUntilKilled prints the version of each write after it was acknowledged.
func writeUntilKilled(dir string) error {
	db, err := store.Open(dir, store.Options{})
	if err != nil {
		return err
	}
	table, err := Open(db, "records", Options{Stream: true})
	if err != nil {
		return err
	}
	failed := make(chan error)
	for w := range 8 {
		go func() {
			random := rand.New(rand.NewPCG(uint64(w), uint64(time.Now().UnixNano())))
			for n := 0; ; n++ {
				k := childKeys[random.IntN(len(childKeys))]
				it, err := table.Put(context.Background(), pipeline.Item{
					Key: k, Data: numbered(n), Expires: time.Now().Add(time.Duration(random.IntN(4)-1) * time.Second),
				}, pipeline.Always())
				if err == nil {
					_, err = fmt.Println(it.Version)
				}
				if err == nil && random.IntN(10) == 0 {
					err = table.Delete(context.Background(), k, pipeline.Always())
				}
				if err == nil && random.IntN(50) == 0 {
					_, err = table.Expire(context.Background(), time.Now())
				}
				if err != nil {
					failed <- err
				}
			}
		}()
	}
	return <-failed
}

// TestKilled kills a process in the middle of its writes, several times over the
// same file. Whatever instant it dies at, the feed has each change that the table
// has, and no other, and all that was acknowledged.
func TestKilled(t *testing.T) {
	t.Parallel()
	rounds := 6
	if testing.Short() {
		rounds = 2
	}
	dir := t.TempDir()
	random := rand.New(rand.NewPCG(1, 2))
	var acknowledged []string
	for range rounds {
		acknowledged = append(acknowledged, killChild(t, dir, 50+random.IntN(500))...)
	}

	table := openTable(t, openStore(t, dir), Options{Stream: true})
	f := newFold()
	written := make(map[string]bool)
	for last, err := table.Feed().Last(t.Context()); f.sequence != last; {
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range read(t, table.Feed(), f.sequence, 1000) {
			if err := f.add(r); err != nil {
				t.Fatal(err)
			}
			for _, it := range f.items {
				written[it.Version] = true
			}
		}
	}
	f.wantTable(t, table, childKeys)
	if got, want := len(sortKeysOf(t, table)), len(f.items); got != want {
		t.Errorf("the table has %d items, the feed leaves %d", got, want)
	}
	for _, version := range acknowledged {
		if !written[version] {
			t.Errorf("the write of version %s was acknowledged and is not in the feed", version)
		}
	}
	t.Logf("%d acknowledged writes, %d changes over %d kills", len(acknowledged), f.changes, rounds)
}

// killChild starts a child, reads what it acknowledges, and kills it.
func killChild(t *testing.T, dir string, after int) (acknowledged []string) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childVariable+"="+dir)
	var stderr strings.Builder
	child.Stderr = &stderr
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var kill sync.Once
	lines := bufio.NewScanner(stdout)
	for lines.Scan() { // also what it printed before it died
		acknowledged = append(acknowledged, lines.Text())
		if len(acknowledged) >= after {
			kill.Do(func() { _ = child.Process.Kill() })
		}
	}
	err = child.Wait()
	if len(acknowledged) < after {
		t.Fatalf("the child ended by itself: %v\n%s", err, stderr.String())
	}
	return acknowledged
}

func sortKeysOf(t *testing.T, table *Table) []string {
	t.Helper()
	var sks []string
	for i := range 4 {
		for it, err := range table.Query(t.Context(), fmt.Sprint("p", i), "") {
			if err != nil {
				t.Fatal(err)
			}
			sks = append(sks, it.Key.SK)
		}
	}
	return sks
}
