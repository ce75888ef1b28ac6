package tabletest

import (
	"errors"
	"fmt"
	"time"

	"sluice/pipeline"
)

func putCases() []Case {
	return []Case{
		{"put-returns-stored", "Put returns the item as stored.", checkPutReturnsStored},
		{"put-replaces-whole", "Put replaces the whole item.", checkPutReplacesWhole},
	}
}

func checkPutReturnsStored(t *trial) error {
	put, err := t.createItem(pipeline.Item{
		Key: t.key("a"), Expires: time.Now().Add(time.Hour), Data: []byte(`{"a":"x","n":1.5}`),
	})
	if err != nil {
		return err
	}
	got, err := t.get(t.key("a"))
	if err != nil {
		return err
	}
	return errors.Join(
		wantKey("what put returned", put, t.key("a")),
		wantSame("what put returned, against get", put, got),
	)
}

func checkPutReplacesWhole(t *trial) error {
	old, err := t.createItem(pipeline.Item{
		Key: t.key("a"), Expires: time.Now().Add(time.Hour), Data: []byte(`{"a":"x","m":{"n":1,"o":2}}`),
	})
	if err != nil {
		return err
	}
	if _, err := t.replace(old, `{"m":{"n":1}}`); err != nil {
		return err
	}
	got, err := t.get(old.Key)
	if err != nil {
		return err
	}
	if !got.Expires.IsZero() {
		return fmt.Errorf("got the old expiry %v, want none", got.Expires)
	}
	return wantData("get", got.Data, []byte(`{"m":{"n":1}}`))
}
