package s3server_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"sluice/deploy/local/s3server"
	"sluice/deploy/local/s3server/objectstore"
	"sluice/deploy/local/s3server/s3test"
	"sluice/deploy/local/store"
)

// BenchmarkPut measures durable uploads over loopback, with every sync and event.
func BenchmarkPut(b *testing.B) {
	for _, size := range []int{1 << 10, 1 << 20} {
		for _, clients := range []int{1, 16} {
			b.Run(fmt.Sprintf("bytes=%d/clients=%d", size, clients), func(b *testing.B) {
				db, err := store.Open(b.TempDir(), store.Options{})
				if err != nil {
					b.Fatal(err)
				}
				defer db.Close()
				s, err := objectstore.Open(db, objectstore.Options{OnEvent: s3test.RecordEvent})
				if err != nil {
					b.Fatal(err)
				}
				if err := s.EnsureBucket(b.Context(), bucket); err != nil {
					b.Fatal(err)
				}
				srv := httptest.NewServer(s3server.New(s, s3server.Options{}))
				defer srv.Close()
				client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
				body := s3test.Random(1, size)
				var n atomic.Int64
				b.SetBytes(int64(size))
				b.SetParallelism(clients)
				b.ResetTimer()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						r, err := http.NewRequest("PUT", fmt.Sprintf("%s/%s/%d", srv.URL, bucket, n.Add(1)), bytes.NewReader(body))
						if err != nil {
							b.Error(err)
							return
						}
						resp, err := client.Do(r)
						if err != nil {
							b.Error(err)
							return
						}
						resp.Body.Close()
						if resp.StatusCode != 200 {
							b.Errorf("got %d", resp.StatusCode)
						}
					}
				})
			})
		}
	}
}
