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
	Owner      string `json:"owner"` // "" if it has none
	Term       string `json:"term"`  // of the last owner: new with each acquisition
	Checkpoint string `json:"checkpoint"`
	At         string `json:"at"` // time of the write; only informational

	version string // of the item when it was read
}

// heartbeat is the data of a copy's item.
type heartbeat struct {
	Beat int `json:"beat"`
	// Reads reports that the copy has shards or loads some. A copy whose
	// mapping hangs has no share.
	Reads bool   `json:"reads"`
	At    string `json:"at"` // time of the write; only informational
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

// finishedKey is the key of a finished shard. These items have a partition of
// their own, which scans do not read: a stream finishes six a day for each
// shard.
func (c *Checkpoints) finishedKey(shard string) pipeline.Key {
	return pipeline.Key{PK: "finished#" + c.feed, SK: shardPrefix + shard}
}

func (c *Checkpoints) leaseItem(shard string, l lease) (pipeline.Item, error) {
	l.At = c.timestamp()
	it, err := c.item(c.leaseKey(shard), l)
	if l.Checkpoint == eventsource.ShardEnd {
		it.Expires = c.now().Add(finishedRetention)
	}
	return it, err
}

func (c *Checkpoints) item(k pipeline.Key, data any) (pipeline.Item, error) {
	raw, err := json.Marshal(data)
	return pipeline.Item{Key: k, Expires: c.now().Add(retention), Data: raw}, err
}

func (c *Checkpoints) timestamp() string { return c.now().UTC().Format(time.RFC3339) }

// parseSortKey returns the shard or the owner that a sort key names.
func parseSortKey(sk string) (shard, owner string) {
	if name, ok := strings.CutPrefix(sk, shardPrefix); ok {
		return name, ""
	}
	owner, _ = strings.CutPrefix(sk, copyPrefix)
	return "", owner
}
