package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"sluice/deploy/eventsource"
	"sluice/deploy/eventsource/streamfeed"
	"sluice/notify"
	"sluice/pipeline"
	"sluice/pipeline/dynamotable"
	"sluice/pipeline/lambdaevent"
	"sluice/pipeline/lambdaevent/streamchange"
	"sluice/pipeline/sqsqueue"
	"sluice/workers/schema"
)

// Settings of the copies: short, so that who dies is soon missed.
const (
	copyLease      = 15 * time.Second
	copyTimeout    = 10 * time.Second
	copyVisibility = 20 * time.Second
)

// engines are DynamoDB Local and ElasticMQ with tables and queues of one test.
type engines struct {
	t       *testing.T
	dir     string // of the binary, the outbox and the copies' logs
	db      *dynamodb.Client
	sqs     *sqs.Client
	records *dynamotable.Table
	state   *dynamotable.Table
	feed    *streamfeed.Feed
	environ map[string]string // of the copies
	urls    map[string]string // of the queues
}

// openEngines finds the engines by the environment.
func openEngines(t *testing.T) *engines {
	t.Helper()
	endpoints := make(map[string]string)
	for _, service := range []string{"DYNAMODB", "SQS"} {
		name := "AWS_ENDPOINT_URL_" + service
		if endpoints[name] = os.Getenv(name); endpoints[name] == "" {
			t.Skipf("%s names no engine; .ci/dynamodb-local and .ci/elasticmq start them", name)
		}
	}
	// DynamoDB Local has tables and streams on one port.
	endpoints["AWS_ENDPOINT_URL_DYNAMODB_STREAMS"] = endpoints["AWS_ENDPOINT_URL_DYNAMODB"]
	cfg, err := config.LoadDefaultConfig(t.Context(), config.WithRegion(region),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("local", "local", "")))
	if err != nil {
		t.Fatal(err)
	}
	at := func(service string) *string { return aws.String(endpoints["AWS_ENDPOINT_URL_"+service]) }
	e := &engines{
		t: t, dir: t.TempDir(), urls: make(map[string]string),
		db: dynamodb.NewFromConfig(cfg, func(o *dynamodb.Options) {
			o.BaseEndpoint = at("DYNAMODB")
			o.DisableValidateResponseChecksum = true // DynamoDB Local sends none with an error
		}),
		sqs: sqs.NewFromConfig(cfg, func(o *sqs.Options) { o.BaseEndpoint = at("SQS") }),
	}
	name := strings.ToLower("copies-" + rand.Text()[:8])
	e.records, e.state = e.table(name+"-records", true), e.table(name+"-state", false)
	stream, err := streamARN(t.Context(), e.db, name+"-records")
	if err != nil {
		t.Fatal(err)
	}
	e.feed = streamfeed.New(dynamodbstreams.NewFromConfig(cfg, func(o *dynamodbstreams.Options) { o.BaseEndpoint = at("DYNAMODB_STREAMS") }), stream)
	for _, queue := range []string{queueJobs, queueNotifications, "dead"} {
		out, err := e.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{
			QueueName:  aws.String(name + "-" + queue),
			Attributes: map[string]string{"VisibilityTimeout": fmt.Sprint(int(copyVisibility.Seconds()))},
		})
		if err != nil {
			t.Fatal(err)
		}
		e.urls[queue] = *out.QueueUrl
		t.Cleanup(func() {
			_, _ = e.sqs.DeleteQueue(context.Background(), &sqs.DeleteQueueInput{QueueUrl: out.QueueUrl})
		})
	}
	e.environ = map[string]string{
		"AWS_REGION": region, "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_EC2_METADATA_DISABLED": "true",
		"RECORDS_TABLE": name + "-records", "STATE_TABLE": name + "-state",
		"JOBS_QUEUE_URL": e.urls[queueJobs], "NOTIFICATIONS_QUEUE_URL": e.urls[queueNotifications], "DEAD_LETTER_QUEUE_URL": e.urls["dead"],
		"OUTBOX_DIR": filepath.Join(e.dir, "outbox"), "LEASE": copyLease.String(), "TIMEOUT": copyTimeout.String(), "RESERVE": "1s",
		"MAX_ATTEMPTS": "100",                   // a kill is no failure of the message
		"PARALLEL":     "4", "CONCURRENCY": "2", // DynamoDB Local does one thing at a time
		"PATH": os.Getenv("PATH"), "HOME": e.dir,
	}
	maps.Copy(e.environ, endpoints)
	return e
}

func (e *engines) table(name string, stream bool) *dynamotable.Table {
	e.t.Helper()
	if _, err := e.db.CreateTable(e.t.Context(), dynamotable.Schema(name, stream)); err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() {
		_, _ = e.db.DeleteTable(context.Background(), &dynamodb.DeleteTableInput{TableName: &name})
	})
	return dynamotable.New(e.db, name, dynamotable.Options{})
}

// copyProcess is one copy: the program itself, as a container runs it.
type copyProcess struct {
	cmd  *exec.Cmd
	log  *os.File
	done chan error
}

// build builds the program.
func (e *engines) build() string {
	e.t.Helper()
	out := filepath.Join(e.dir, "sluice")
	if b, err := exec.CommandContext(e.t.Context(), "go", "build", "-o", out, ".").CombinedOutput(); err != nil {
		e.t.Fatalf("build: %v\n%s", err, b)
	}
	return out
}

// start starts a copy. It ends with the test at the latest.
func (e *engines) start(binary string) *copyProcess {
	e.t.Helper()
	log, err := os.CreateTemp(e.dir, "copy-*.log")
	if err != nil {
		e.t.Fatal(err)
	}
	cmd := exec.Command(binary, "-aws", "jobs", "notifications", "changes")
	cmd.Stdout, cmd.Stderr = log, log
	for name, value := range e.environ {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	if err := cmd.Start(); err != nil {
		e.t.Fatal(err)
	}
	c := &copyProcess{cmd: cmd, log: log, done: make(chan error, 1)}
	go func() { c.done <- cmd.Wait() }()
	e.t.Cleanup(func() {
		_ = cmd.Process.Kill() // of this very process; an error says that it has ended
		if e.t.Failed() {
			e.t.Logf("process %d:\n%s", cmd.Process.Pid, c.tail(30))
		}
		_ = log.Close()
	})
	return c
}

func (c *copyProcess) signal(t *testing.T, s os.Signal) {
	t.Helper()
	if err := c.cmd.Process.Signal(s); err != nil {
		t.Fatalf("signal %v to process %d: %v", s, c.cmd.Process.Pid, err)
	}
}

// owns says whether a lease's owner is this copy.
func (c *copyProcess) owns(owner string) bool {
	return strings.Contains(owner, fmt.Sprintf("-%d/", c.cmd.Process.Pid))
}

func (c *copyProcess) text() string {
	b, _ := os.ReadFile(c.log.Name())
	return string(b)
}

func (c *copyProcess) tail(n int) string {
	lines := strings.Split(c.text(), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// leaseData is what package leases keeps of a shard.
type leaseData struct {
	Owner      string `json:"owner"`
	Checkpoint string `json:"checkpoint"`
}

// leases returns the shards' items, by shard.
func (e *engines) leases() map[string]leaseData {
	e.t.Helper()
	all := make(map[string]leaseData)
	for it, err := range e.state.Query(e.t.Context(), "lease#"+e.feed.ARN(), "shard#") {
		if err != nil {
			e.t.Fatal(err)
		}
		var l leaseData
		if err := it.Decode(&l); err != nil {
			e.t.Fatal(err)
		}
		all[strings.TrimPrefix(it.Key.SK, "shard#")] = l
	}
	return all
}

// eventually asks until ok, which must come within a time.
func (e *engines) eventually(what string, within time.Duration, ok func() bool) time.Duration {
	e.t.Helper()
	began := time.Now()
	for !ok() {
		if time.Since(began) > within {
			e.t.Fatalf("not within %v: %s", within, what)
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-e.t.Context().Done():
			e.t.Fatal(e.t.Context().Err())
		}
	}
	return time.Since(began)
}

// owner returns which of the copies has the open shards, when one has.
func (e *engines) owner(copies []*copyProcess) int {
	e.t.Helper()
	found := -1
	e.eventually("one of the copies owns the shard", 2*copyLease, func() bool {
		for _, l := range e.leases() {
			found = slices.IndexFunc(copies, func(c *copyProcess) bool { return c.owns(l.Owner) })
		}
		return found >= 0
	})
	return found
}

// takenOver waits until nothing is owned by a copy that is gone, and returns how
// long that took.
func (e *engines) takenOver(from *copyProcess) time.Duration {
	e.t.Helper()
	return e.eventually("another copy takes the shard", 2*copyLease, func() bool {
		for _, l := range e.leases() {
			if from.owns(l.Owner) || l.Owner == "" && l.Checkpoint != eventsource.ShardEnd {
				return false
			}
		}
		return true
	})
}

// told counts the notifications in the outbox.
func (e *engines) told() int {
	entries, _ := os.ReadDir(e.environ["OUTBOX_DIR"])
	return len(entries)
}

// waiting is how many messages a queue has, hidden ones included.
func (e *engines) waiting(queue string) string {
	e.t.Helper()
	out, err := e.sqs.GetQueueAttributes(e.t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: aws.String(e.urls[queue]), AttributeNames: []types.QueueAttributeName{
			types.QueueAttributeNameApproximateNumberOfMessages, types.QueueAttributeNameApproximateNumberOfMessagesNotVisible,
		},
	})
	if err != nil {
		e.t.Fatal(err)
	}
	return out.Attributes["ApproximateNumberOfMessages"] + "+" + out.Attributes["ApproximateNumberOfMessagesNotVisible"]
}

// copiesWork is how many users there are: most by a message, a tenth by a write
// to the table, which the stream turns into a message.
func copiesWork() int {
	if full() {
		return 5_000
	}
	return 400
}

// feedUsers queues the messages and writes the records.
func (e *engines) feedUsers(ctx context.Context, users int) error {
	q := sqsqueue.Queue{Client: e.sqs, URL: e.urls[queueJobs]}
	var batch []pipeline.Message
	for i := range users {
		email := fmt.Sprintf("user-%d@example.com", i)
		if i%10 == 0 {
			data, err := json.Marshal(schema.User{Change: schema.Change{Status: schema.StatusPending, At: time.Now()}, Email: email})
			if err != nil {
				return err
			}
			if _, err := e.records.Put(ctx, pipeline.Item{Key: schema.UserKey(email), Data: data}, pipeline.Absent()); err != nil {
				return err
			}
			continue
		}
		m, err := pipeline.NewMessage(ctx, schema.TypeUserRegistration, email, schema.UserRegistration{Email: email, Name: fmt.Sprint("User ", i)})
		if err != nil {
			return err
		}
		if batch = append(batch, m); len(batch) == 10 || i == users-1 {
			if err := q.Send(ctx, batch...); err != nil {
				return err
			}
			batch = nil
		}
	}
	return q.Send(ctx, batch...)
}

// changes reads the whole stream and counts the changes of each user, by what
// became of it.
func (e *engines) changes() (perUser map[string][]string) {
	e.t.Helper()
	perUser = make(map[string][]string)
	shards, err := e.feed.Shards(e.t.Context())
	if err != nil {
		e.t.Fatal(err)
	}
	for _, s := range shards {
		for after := ""; ; {
			page, err := e.feed.Read(e.t.Context(), s.ID, after, 1000)
			if err != nil {
				e.t.Fatal(err)
			}
			for _, r := range page.Records {
				after = r.Sequence
				batch, err := lambdaevent.Decode([]byte(`{"Records":[` + string(r.JSON) + `]}`))
				if err != nil {
					e.t.Fatal(err)
				}
				c, err := streamchange.Decode(batch.Records[0])
				if err != nil {
					e.t.Fatal(err)
				}
				item := streamchange.Plain(c.New)
				email, _ := item["email"].(string)
				perUser[email] = append(perUser[email], fmt.Sprint(item["status"]))
			}
			if page.End || len(page.Records) == 0 {
				break
			}
		}
	}
	return perUser
}

// TestCopiesShareTheWork: two copies over real engines, killed five times and
// put to sleep once. Nothing is lost, nothing is done twice, and a shard whose
// owner is gone is read again within one lease.
func TestCopiesShareTheWork(t *testing.T) {
	t.Parallel()
	e := openEngines(t)
	binary := e.build()
	users := copiesWork()
	copies := []*copyProcess{e.start(binary), e.start(binary)}
	e.owner(copies)

	var feeding sync.WaitGroup
	var feedErr error
	feeding.Go(func() { feedErr = e.feedUsers(t.Context(), users) })

	// What happens, and to whom: the one that has the shard, or the other.
	events := []struct {
		owner bool
		pause bool
	}{{owner: true}, {owner: false}, {owner: true, pause: true}, {owner: true}, {owner: false}, {owner: true}}
	patience := 5*time.Minute + time.Duration(users)*100*time.Millisecond
	var takeovers []time.Duration
	for i, event := range events {
		share := users * (i + 1) / (len(events) + 2)
		e.eventually(fmt.Sprintf("%d of %d users are told", share, users), patience, func() bool { return e.told() >= share })
		victim := e.owner(copies)
		if !event.owner {
			victim = 1 - victim
		}
		c := copies[victim]
		if event.pause {
			c.signal(t, syscall.SIGSTOP)
			began := time.Now()
			takeovers = append(takeovers, e.takenOver(c))
			// It sleeps on, well past its lease, while the other works.
			e.eventually("the lease of the sleeper is long over", 3*copyLease, func() bool { return time.Since(began) > copyLease+copyVisibility })
			c.signal(t, syscall.SIGCONT)
			e.eventually("the sleeper notices that its lease is lost", copyLease, func() bool {
				return strings.Contains(c.text(), "lease lost")
			})
			continue
		}
		c.signal(t, syscall.SIGKILL)
		<-c.done
		if event.owner {
			takeovers = append(takeovers, e.takenOver(c))
		}
		copies[victim] = e.start(binary)
	}
	feeding.Wait()
	if feedErr != nil {
		t.Fatal(feedErr)
	}
	e.eventually("all users are told, and no message is left", patience, func() bool {
		return e.told() >= users && e.waiting(queueJobs) == "0+0" && e.waiting(queueNotifications) == "0+0"
	})
	e.checkEffects(users)
	t.Logf("%d users, takeovers after %v, the lease is %v", users, takeovers, copyLease)
	for _, took := range takeovers {
		if took > copyLease {
			t.Errorf("a shard was taken over after %v, the lease is %v", took, copyLease)
		}
	}

	// The end in good order: all is given back, and the programs exit with 0.
	for _, c := range copies {
		c.signal(t, syscall.SIGTERM)
	}
	for _, c := range copies {
		if err := <-c.done; err != nil {
			t.Errorf("after SIGTERM: %v", err)
		}
	}
	for shard, l := range e.leases() {
		if l.Owner != "" {
			t.Errorf("shard %q is still owned by %q", shard, l.Owner)
		}
	}
}

// checkEffects compares what was done with what was asked for: each user became
// pending once and active once, and was told once.
func (e *engines) checkEffects(users int) {
	e.t.Helper()
	sent, err := notify.ReadOutbox(e.environ["OUTBOX_DIR"])
	if err != nil {
		e.t.Fatal(err)
	}
	ids, perUser := make(map[string]bool), make(map[string]int)
	for _, n := range sent {
		if ids[n.ID] {
			e.t.Errorf("notification %q stands twice in the outbox", n.ID)
		}
		ids[n.ID] = true
		perUser[n.To]++
	}
	made := e.changes()
	want := []string{schema.StatusPending, schema.StatusActive}
	wrong := 0
	for i := range users {
		email := fmt.Sprintf("user-%d@example.com", i)
		var user schema.User
		it, err := e.records.Get(e.t.Context(), schema.UserKey(email))
		if err == nil {
			err = it.Decode(&user)
		}
		if err != nil || user.Status != schema.StatusActive || perUser[email] != 1 || !slices.Equal(made[email], want) {
			if wrong++; wrong <= 10 {
				e.t.Errorf("%s: status %q, %v; told %d times, want once; changes %q, want %q", email, user.Status, err, perUser[email], made[email], want)
			}
		}
	}
	if wrong > 0 {
		e.t.Errorf("%d of %d users are wrong", wrong, users)
	}
	if len(sent) != users {
		e.t.Errorf("%d notifications, want %d", len(sent), users)
	}
	if n := e.waiting("dead"); n != "0+0" {
		e.t.Errorf("dead letters: %s", n)
	}
}
