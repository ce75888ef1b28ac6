package lambdaevent_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/pipeline"
	"sluice/pipeline/lambdaevent"
	"sluice/pipeline/lambdaevent/attributes"
	"sluice/pipeline/lambdaevent/streamchange"
)

var update = flag.Bool("update", false, "rewrite testdata/decoded")

// recorded returns the paths of the recorded events of a worker, at least one.
func recorded(t testing.TB, worker string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("../../testdata/events", worker, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	var events []string
	for _, p := range paths {
		// The short form of a warm-up has no id and reaches no decoder: package
		// runner responds to it.
		if !strings.HasSuffix(p, ".want.json") && filepath.Base(p) != "warm-up-short-form.json" {
			events = append(events, p)
		}
	}
	if len(events) == 0 {
		t.Fatalf("no recorded events in testdata/events/%s", worker)
	}
	return events
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestRecordedEvents describes each record of every recorded event and compares
// the text with testdata/decoded, which -update rewrites.
func TestRecordedEvents(t *testing.T) {
	t.Parallel()
	for worker, describe := range map[string]func(*strings.Builder, pipeline.Record){
		"uploads":  describeS3Events,
		"messages": func(*strings.Builder, pipeline.Record) {},
		"changes":  describeChange,
	} {
		t.Run(worker, func(t *testing.T) {
			t.Parallel()
			var got strings.Builder
			for _, path := range recorded(t, worker) {
				b, err := lambdaevent.Decode(read(t, path))
				if err != nil {
					t.Errorf("%s: %v", path, err)
					continue
				}
				fmt.Fprintf(&got, "%s: %v, order %d, from %q\n", filepath.Base(path), b.Kind, b.Order, b.Source)
				for _, r := range b.Records {
					describeRecord(&got, r)
					if r.Err == nil {
						describe(&got, r)
					}
				}
			}
			compareGolden(t, filepath.Join("testdata/decoded", worker+".txt"), got.String())
		})
	}
}

func describeRecord(w *strings.Builder, r pipeline.Record) {
	fmt.Fprintf(w, "  %s", r.ID)
	if r.Cause != r.ID {
		fmt.Fprintf(w, " cause %s", r.Cause)
	}
	if r.Group != "" {
		fmt.Fprintf(w, " group %s", r.Group)
	}
	fmt.Fprintf(w, " attempt %d at %s, %d attributes, %d bytes", r.Attempt, r.At.Format(time.RFC3339Nano), len(r.Attrs), len(r.Body))
	if r.Err != nil {
		fmt.Fprintf(w, "\n    cannot be read: %v", r.Err)
	}
	w.WriteByte('\n')
}

func describeS3Events(w *strings.Builder, r pipeline.Record) {
	events, err := lambdaevent.S3Events(r.Body)
	switch {
	case err != nil:
		fmt.Fprintf(w, "    %v (permanent: %v)\n", err, pipeline.IsPermanent(err))
	case len(events) == 0:
		fmt.Fprintln(w, "    test event")
	}
	for _, n := range events {
		fmt.Fprintf(w, "    %v by %s: %q, etag %s, %d bytes, sequencer %s, cause %q", n.Type, n.EventName, n.Bucket+"/"+n.Key, n.ETag, n.Size, n.Sequencer, n.Cause())
		if n.VersionID != "" {
			fmt.Fprintf(w, ", version %s", n.VersionID)
		}
		if n.Expired {
			w.WriteString(", expired")
		}
		if n.DeleteMarker {
			w.WriteString(", delete marker")
		}
		w.WriteByte('\n')
	}
}

func describeChange(w *strings.Builder, r pipeline.Record) {
	c, err := streamchange.Decode(r)
	if err != nil {
		fmt.Fprintf(w, "    %v (permanent: %v)\n", err, pipeline.IsPermanent(err))
		return
	}
	fmt.Fprintf(w, "    %s, expired %v, %s\n", c.Name, c.Expired, c.View)
	if err := c.NeedImages(); err != nil {
		fmt.Fprintf(w, "    %v (permanent: %v)\n", err, pipeline.IsPermanent(err))
	}
	old, _ := attributes.ImageJSON(attributes.Values(c.Old))
	image, _ := attributes.ImageJSON(attributes.Values(c.New))
	fmt.Fprintf(w, "    old %s\n    new %s\n", old, image)
}

func compareGolden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want := strings.Split(string(read(t, path)), "\n")
	for i, line := range strings.Split(got, "\n") {
		if i >= len(want) || line != want[i] {
			t.Fatalf("%s differs at line %d (-update rewrites it):\n got %s\nwant %s", path, i+1, line, strings.Join(want[i:min(i+1, len(want))], ""))
		}
	}
	if n := len(strings.Split(got, "\n")); n != len(want) {
		t.Fatalf("%s has %d lines, want %d", path, len(want), n)
	}
}

// Each record of an event decodes alone as it does with the others.
func TestRecordsDecodeIndependently(t *testing.T) {
	t.Parallel()
	for _, worker := range []string{"uploads", "messages", "changes"} {
		for _, path := range recorded(t, worker) {
			payload := read(t, path)
			whole, err := lambdaevent.Decode(payload)
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			for i, raw := range rawRecords(t, payload) {
				one, err := lambdaevent.Decode([]byte(records(raw)))
				if err != nil {
					t.Fatalf("%s, record %d alone: %v", path, i, err)
				}
				got, want := one.Records[0], whole.Records[i]
				if got.ID != want.ID || got.Cause != want.Cause || got.Group != want.Group || string(got.Body) != string(want.Body) || (got.Err == nil) != (want.Err == nil) {
					t.Errorf("%s, record %d alone is\n%+v\nand with the others\n%+v", path, i, got, want)
				}
			}
		}
	}
}
