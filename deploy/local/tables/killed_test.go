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

// childVariable names the data folder of the child process of
// TestFeedMatchesTableAfterKill. The test binary then writes to the table there
// until it is killed.
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

// writeUntilKilled writes items, and prints the version of each acknowledged
// write.
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

// TestFeedMatchesTableAfterKill kills a process during its writes, several
// times over the same file. Afterwards the feed contains exactly the changes of
// the table, among them every acknowledged write.
func TestFeedMatchesTableAfterKill(t *testing.T) {
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
		t.Errorf("got %d items in the table, want the %d of the feed", got, want)
	}
	for _, version := range acknowledged {
		if !written[version] {
			t.Errorf("acknowledged write of version %s: not in the feed", version)
		}
	}
	t.Logf("%d acknowledged writes, %d changes over %d kills", len(acknowledged), f.changes, rounds)
}

// killChild starts a child process and kills it after that many acknowledged
// writes. It returns the versions of all acknowledged writes.
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
	for lines.Scan() { // also lines printed before the kill took effect
		acknowledged = append(acknowledged, lines.Text())
		if len(acknowledged) >= after {
			kill.Do(func() { _ = child.Process.Kill() })
		}
	}
	err = child.Wait()
	if len(acknowledged) < after {
		t.Fatalf("the child process ended before the kill: %v\n%s", err, stderr.String())
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
