package tables

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"sluice/deploy/local/store"
	"sluice/pipeline"
)

// BenchmarkPut writes items of about 500 bytes durably, with and without a
// feed, from one client and from clients that share an fsync.
func BenchmarkPut(b *testing.B) {
	data := []byte(`{"status":"ready","fill":"` + strings.Repeat("x", 450) + `"}`)
	for _, stream := range []bool{false, true} {
		for _, clients := range []int{1, 64} {
			b.Run(fmt.Sprintf("stream=%t/clients-per-cpu=%d", stream, clients), func(b *testing.B) {
				db, err := store.Open(b.TempDir(), store.Options{})
				if err != nil {
					b.Fatal(err)
				}
				defer db.Close()
				table, err := Open(db, "records", Options{Stream: stream})
				if err != nil {
					b.Fatal(err)
				}
				b.ReportAllocs()
				var n atomic.Int64
				b.SetParallelism(clients) // times GOMAXPROCS
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						k := pipeline.Key{PK: fmt.Sprint("image#uploads/", n.Add(1)%10_000), SK: "-"}
						if _, err := table.Put(b.Context(), pipeline.Item{Key: k, Data: data}, pipeline.Always()); err != nil {
							b.Error(err)
							return
						}
					}
				})
			})
		}
	}
}

// BenchmarkFeedRead reads a page of 100 changes as Lambda records.
func BenchmarkFeedRead(b *testing.B) {
	db, err := store.Open(b.TempDir(), store.Options{NoSync: true})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	table, err := Open(db, "records", Options{Stream: true})
	if err != nil {
		b.Fatal(err)
	}
	for i := range 100 {
		it := pipeline.Item{Key: pipeline.Key{PK: "p", SK: fmt.Sprint(i)}, Data: []byte(`{"status":"ready","fill":"` + strings.Repeat("x", 450) + `"}`)}
		if _, err := table.Put(b.Context(), it, pipeline.Always()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		page, err := table.Feed().Read(b.Context(), shardID, "", 100)
		if err != nil || len(page.Records) != 100 {
			b.Fatal(len(page.Records), err)
		}
	}
}
