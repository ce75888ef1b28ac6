package leases

import (
	"encoding/json"
	"strings"
	"time"

	"sluice/deploy/eventsource"
	"sluice/pipeline"
)

// lease is the data of a shard's item.
type lease struct {
	Owner      string `json:"owner"` // "" has none
	Term       string `json:"term"`  // of the last owner: new with each acquisition
	Checkpoint string `json:"checkpoint"`
	At         string `json:"at"` // of the write, for people

	version string // of the item, as it was read
}

// heartbeat is the data of a copy's item.
type heartbeat struct {
	Beat int `json:"beat"`
	// Reads says that the copy has shards or asks for some. One whose mapping
	// stands still gets no share.
	Reads bool   `json:"reads"`
	At    string `json:"at"` // for people
}

const (
	shardPrefix = "shard#"
	copyPrefix  = "copy#"
)

func (c *Checkpoints) leaseKey(shard string) pipeline.Key {
	return pipeline.Key{PK: c.pk, SK: shardPrefix + shard}
}

func (c *Checkpoints) copyKey(owner string) pipeline.Key {
	return pipeline.Key{PK: c.pk, SK: copyPrefix + owner}
}

// endKey is the item of a shard that is finished. Those lie in a partition of
// their own, which no look reads: a stream makes six a day of each shard.
func (c *Checkpoints) endKey(shard string) pipeline.Key {
	return pipeline.Key{PK: "finished#" + c.feed, SK: shardPrefix + shard}
}

func (c *Checkpoints) leaseItem(shard string, l lease) (pipeline.Item, error) {
	l.At = c.stamp()
	it, err := c.item(c.leaseKey(shard), l)
	if l.Checkpoint == eventsource.ShardEnd {
		it.Expires = c.now().Add(rememberEnd)
	}
	return it, err
}

func (c *Checkpoints) item(k pipeline.Key, data any) (pipeline.Item, error) {
	raw, err := json.Marshal(data)
	return pipeline.Item{Key: k, Expires: c.now().Add(remember), Data: raw}, err
}

func (c *Checkpoints) stamp() string { return c.now().UTC().Format(time.RFC3339) }

// kindOf tells the items of a feed apart by their sort keys.
func kindOf(sk string) (shard, owner string) {
	if name, ok := strings.CutPrefix(sk, shardPrefix); ok {
		return name, ""
	}
	owner, _ = strings.CutPrefix(sk, copyPrefix)
	return "", owner
}
