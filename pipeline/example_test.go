package pipeline_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"sluice/pipeline"
	"sluice/pipeline/tabletest"
)

// Three records, of which one fails. Only that one is delivered again.
func ExampleRun() {
	records := []pipeline.Record{
		{ID: "m-1", Body: []byte("1")},
		{ID: "m-2", Body: []byte("two")},
		{ID: "m-3", Body: []byte("3")},
	}
	result := pipeline.Run(context.Background(), records, func(_ context.Context, r pipeline.Record) error {
		if len(r.Body) != 1 {
			return fmt.Errorf("got %q, want one digit", r.Body)
		}
		return nil
	}, pipeline.Options{})
	for _, o := range result.Outcomes {
		fmt.Println(o.Record.ID, o.Status, o.Err)
	}
	// Output:
	// m-1 done <nil>
	// m-2 failed got "two", want one digit
	// m-3 done <nil>
}

// A message is handled by the handler of its type.
func ExampleRouter() {
	type welcome struct {
		Email string `json:"email"`
	}
	router := pipeline.Router{
		"user-registration": pipeline.Typed(func(ctx context.Context, r pipeline.Record, w welcome) error {
			m, _ := pipeline.MessageFrom(ctx)
			fmt.Println("message", m.ID, "welcomes", w.Email)
			return nil
		}),
	}
	for _, body := range []string{
		`{"specversion":"1.0","id":"u-1","source":"/shop","type":"user-registration","data":{"email":"ann@example.com"}}`,
		`{"type":"make-coffee"}`,
	} {
		if err := router.Handle(context.Background(), pipeline.Record{ID: "m-1", Body: []byte(body)}); err != nil {
			fmt.Println(err, "permanent:", pipeline.IsPermanent(err))
		}
	}
	// Output:
	// message u-1 welcomes ann@example.com
	// unknown message type "make-coffee", want one of: user-registration permanent: true
}

type resizeJob struct {
	Key   string `json:"key"`
	Width int    `json:"width"`
}

// Validate is called by Typed.
func (j resizeJob) Validate() error {
	if j.Width < 1 {
		return fmt.Errorf("width: got %d, want at least 1", j.Width)
	}
	return nil
}

// A handler receives its body decoded and validated.
func ExampleTyped() {
	handler := pipeline.Typed(func(_ context.Context, _ pipeline.Record, j resizeJob) error {
		fmt.Println("resize", j.Key, "to", j.Width)
		return nil
	})
	for _, body := range []string{`{"key":"cat.jpg","width":200}`, `{"key":"cat.jpg"}`, `{"key":"cat.jpg","width":"wide"}`} {
		if err := handler(context.Background(), pipeline.Record{Body: []byte(body)}); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// resize cat.jpg to 200
	// width: got 0, want at least 1
	// body: field "width" at byte 31: got a JSON string, want a whole number
}

// A mail is sent once, even if its message is delivered twice.
func ExampleOnce() {
	once := pipeline.Once{Table: new(tabletest.Memory)}
	send := func(context.Context) (json.RawMessage, error) {
		fmt.Println("send the mail")
		return json.RawMessage(`"250 queued"`), nil
	}
	for range 2 {
		result, err := once.Do(context.Background(), "mail/order-1", send)
		fmt.Println(string(result), err)
	}
	// Output:
	// send the mail
	// "250 queued" <nil>
	// "250 queued" <nil>
}

// A record that retrying cannot fix becomes a dead letter.
func ExamplePermanent() {
	pipeline.Run(context.Background(), []pipeline.Record{{ID: "m-1", Attempt: 1}}, func(context.Context, pipeline.Record) error {
		return pipeline.Permanent(errors.New("order 7 does not exist"))
	}, pipeline.Options{
		Worker: "messages",
		DeadLetter: func(_ context.Context, l pipeline.DeadLetter) error {
			fmt.Println("dead letter of", l.Worker+":", l.Record.ID, "because", l.Reason)
			return nil
		},
	})
	// Output: dead letter of messages: m-1 because order 7 does not exist
}

// A provider asks for a pause. The queue delivers the record again after it.
func ExampleRetryAfter() {
	pipeline.Run(context.Background(), []pipeline.Record{{ID: "m-1"}}, func(context.Context, pipeline.Record) error {
		return pipeline.RetryAfter(errors.New("429 Too Many Requests"), time.Minute)
	}, pipeline.Options{
		Delay: func(_ context.Context, r pipeline.Record, d time.Duration) error {
			// d is up to a quarter longer, so that records do not return together.
			fmt.Println(r.ID, "returns after a minute:", d >= time.Minute && d <= 75*time.Second)
			return nil
		},
	})
	// Output: m-1 returns after a minute: true
}

// A conditional write keeps two writers from overwriting each other.
func ExampleTable() {
	var table pipeline.Table = new(tabletest.Memory) // or dynamotable.New(client, "records", dynamotable.Options{})
	ctx := context.Background()
	key := pipeline.Key{PK: "user#ann@example.com", SK: "-"}

	created, err := table.Put(ctx, pipeline.Item{Key: key, Data: []byte(`{"status":"pending"}`)}, pipeline.Absent())
	fmt.Println("create:", err)

	_, err = table.Put(ctx, pipeline.Item{Key: key, Data: []byte(`{"status":"active"}`)}, pipeline.AtVersion(created.Version))
	fmt.Println("update:", err)

	// A second writer that still has the first version.
	_, err = table.Put(ctx, pipeline.Item{Key: key, Data: []byte(`{"status":"closed"}`)}, pipeline.AtVersion(created.Version))
	conflict, ok := errors.AsType[*pipeline.ConflictError](err)
	fmt.Println("conflict:", ok, string(conflict.Current.Data))
	// Output:
	// create: <nil>
	// update: <nil>
	// conflict: true {"status":"active"}
}

// Update retries after a conflict, and keeps the members that it does not know.
func ExampleUpdate() {
	table, ctx := new(tabletest.Memory), context.Background()
	key := pipeline.Key{PK: "counter", SK: "-"}
	type counter struct {
		N int `json:"n"`
	}
	for range 3 {
		_, err := pipeline.Update(ctx, table, key, func(c counter, _ bool) (any, error) {
			return counter{N: c.N + 1}, nil
		})
		if err != nil {
			fmt.Println(err)
		}
	}
	item, err := table.Get(ctx, key)
	fmt.Println(string(item.Data), err)
	// Output: {"n":3} <nil>
}
