package dynamotable_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"sluice/pipeline"
	"sluice/pipeline/dynamotable"
)

var key = pipeline.Key{PK: "image#uploads/a.jpg", SK: "-"}

func item(data string) pipeline.Item { return pipeline.Item{Key: key, Data: []byte(data)} }

// put stores an item.
func put(t *testing.T, table *dynamotable.Table, data string, c pipeline.Condition) pipeline.Item {
	t.Helper()
	it, err := table.Put(t.Context(), item(data), c)
	if err != nil {
		t.Fatalf("put %s: %v", data, err)
	}
	return it
}

func wantCurrent(t *testing.T, table *dynamotable.Table, want pipeline.Item) {
	t.Helper()
	got, err := table.Get(t.Context(), want.Key)
	if err != nil {
		t.Fatal(err)
	}
	if got.Version != want.Version || string(got.Data) != string(want.Data) {
		t.Errorf("got %s at %s, want %s at %s", got.Data, got.Version, want.Data, want.Version)
	}
}

func TestReadsAreConsistent(t *testing.T) {
	t.Parallel()
	e := new(endpoint)
	table := e.open(t, dynamotable.Options{})
	if _, err := table.Get(t.Context(), key); !errors.Is(err, pipeline.ErrNotFound) {
		t.Fatal(err)
	}
	for _, err := range table.Query(t.Context(), key.PK, "") {
		t.Fatal(err)
	}
	for _, action := range []string{"GetItem", "Query"} {
		asked := e.requestsOf(action)
		if len(asked) != 1 || asked[0]["ConsistentRead"] != true {
			t.Errorf("%s: got requests %v, want one with ConsistentRead", action, asked)
		}
	}
}

// Without ALL_OLD, a conflict has no current item.
func TestWritesRequestTheCurrentItem(t *testing.T) {
	t.Parallel()
	e := new(endpoint)
	table := e.open(t, dynamotable.Options{})
	it := put(t, table, `{}`, pipeline.Absent())
	if err := table.Delete(t.Context(), key, pipeline.AtVersion(it.Version)); err != nil {
		t.Fatal(err)
	}
	for action, condition := range map[string]string{
		"PutItem": "attribute_not_exists(PK)", "DeleteItem": "#version = :version",
	} {
		asked := e.requestsOf(action)
		if len(asked) != 1 || asked[0]["ConditionExpression"] != condition || asked[0]["ReturnValuesOnConditionCheckFailure"] != "ALL_OLD" {
			t.Errorf("%s: got requests %v, want one with %q and ALL_OLD", action, asked, condition)
		}
	}
}

func TestPutWithLostResponseSucceeds(t *testing.T) {
	t.Parallel()
	e := new(endpoint)
	table := e.open(t, dynamotable.Options{})
	e.respond = loseResponse("PutItem", 1, nil)
	first := put(t, table, `{"n":1}`, pipeline.Absent())
	wantCurrent(t, table, first)

	e.respond = loseResponse("PutItem", 3, nil)
	second := put(t, table, `{"n":2}`, pipeline.AtVersion(first.Version))
	wantCurrent(t, table, second)
	if n := len(e.requestsOf("PutItem")); n != 4 {
		t.Errorf("got %d PutItem requests, want 4: each put and its retry", n)
	}
}

func TestReplacedPutWithLostResponseConflicts(t *testing.T) {
	t.Parallel()
	e := new(endpoint)
	table := e.open(t, dynamotable.Options{})
	var theirs pipeline.Item
	e.respond = loseResponse("PutItem", 1, func() {
		theirs = put(t, table, `{"owner":"they"}`, pipeline.Always())
	})
	_, err := table.Put(t.Context(), item(`{"owner":"we"}`), pipeline.Absent())
	conflict, ok := errors.AsType[*pipeline.ConflictError](err)
	if !ok || !conflict.Exists || conflict.Current.Version != theirs.Version {
		t.Errorf("got %v, want a conflict with %v", err, theirs)
	}
	wantCurrent(t, table, theirs)
}

// A conditional delete whose retry finds no item cannot know that it removed the
// item itself.
func TestDeleteWithLostResponseConflicts(t *testing.T) {
	t.Parallel()
	e := &endpoint{}
	table := e.open(t, dynamotable.Options{})
	it := put(t, table, `{}`, pipeline.Always())
	e.respond = loseResponse("DeleteItem", 1, nil)
	err := table.Delete(t.Context(), key, pipeline.AtVersion(it.Version))
	if conflict, ok := errors.AsType[*pipeline.ConflictError](err); !ok || conflict.Exists {
		t.Errorf("got %v, want a conflict without an item", err)
	}

	put(t, table, `{}`, pipeline.Always())
	e.respond = loseResponse("DeleteItem", 3, nil)
	if err := table.Delete(t.Context(), key, pipeline.Always()); err != nil {
		t.Errorf("delete under Always: %v", err)
	}
}

// always responds to every request of an action with an error.
func always(action string, code int, typ, message string) func(http.ResponseWriter, string, int, func()) bool {
	return func(w http.ResponseWriter, asked string, _ int, _ func()) bool {
		return asked == action && refuse(w, code, typ, message)
	}
}

func TestThrottlingIsNotAnItemError(t *testing.T) {
	t.Parallel()
	const typ = "ProvisionedThroughputExceededException"
	e := &endpoint{respond: always("PutItem", http.StatusBadRequest, typ, "slow down")}
	table := e.open(t, dynamotable.Options{})
	_, err := table.Put(t.Context(), item(`{}`), pipeline.Absent())
	if _, ok := errors.AsType[*types.ProvisionedThroughputExceededException](err); !ok {
		t.Errorf("got %v, want one that wraps DynamoDB's", err)
	}
	_, isItem := errors.AsType[*pipeline.ItemError](err)
	_, isConflict := errors.AsType[*pipeline.ConflictError](err)
	if isItem || isConflict {
		t.Errorf("got %v, want neither an *ItemError nor a *ConflictError", err)
	}
	if n := len(e.requestsOf("PutItem")); n != 3 {
		t.Errorf("got %d requests, want 3", n)
	}
	if err == nil || !strings.Contains(err.Error(), key.String()) || !strings.Contains(err.Error(), `"records"`) {
		t.Errorf("%v does not name the item and the table", err)
	}
}

func TestValidationErrorOfTheItemIsAnItemError(t *testing.T) {
	t.Parallel()
	const typ = "ValidationException"
	for _, tt := range []struct {
		name    string
		message string
		item    bool // the item is invalid
	}{
		{"size", "Item size has exceeded the maximum allowed size", true},
		{"number", "Number overflow. Attempting to store a number with magnitude larger than supported range", true},
		{"another key of the table", "The provided key element does not match the schema", false},
		{"another type in the table's key", "One or more parameter values were invalid: Type mismatch for key PK expected: N actual: S", false},
		{"another name in the table's key", "One or more parameter values were invalid: Missing the key id in the item", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := &endpoint{respond: always("PutItem", http.StatusBadRequest, typ, tt.message)}
			_, err := e.open(t, dynamotable.Options{}).Put(t.Context(), item(`{}`), pipeline.Always())
			refused, ok := errors.AsType[*pipeline.ItemError](err)
			if ok != tt.item || ok && refused.Key != key {
				t.Errorf("got %v, want an *ItemError: %t", err, tt.item)
			}
			if err == nil || !strings.Contains(err.Error(), tt.message) {
				t.Errorf("got %v, want the message of DynamoDB", err)
			}
		})
	}
	t.Run("read", func(t *testing.T) {
		t.Parallel()
		e := &endpoint{respond: always("GetItem", http.StatusBadRequest, typ, "whatever")}
		_, err := e.open(t, dynamotable.Options{}).Get(t.Context(), key)
		if _, ok := errors.AsType[*pipeline.ItemError](err); ok || err == nil {
			t.Errorf("got %v, want an error that is not an *ItemError", err)
		}
	})
}

func TestMissingTableIsNotErrNotFound(t *testing.T) {
	t.Parallel()
	e := &endpoint{respond: always("GetItem", http.StatusBadRequest, "ResourceNotFoundException", "Requested resource not found")}
	_, err := e.open(t, dynamotable.Options{}).Get(t.Context(), key)
	if _, ok := errors.AsType[*types.ResourceNotFoundException](err); !ok || errors.Is(err, pipeline.ErrNotFound) {
		t.Errorf("got %v, want DynamoDB's error and not ErrNotFound", err)
	}
}

func TestCanceledRequestReturnsTheErrorOfItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	returned := make(chan struct{})
	e := &endpoint{respond: func(http.ResponseWriter, string, int, func()) bool {
		cancel()
		<-returned
		return false
	}}
	_, err := e.open(t, dynamotable.Options{}).Get(ctx, key)
	close(returned)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that of the context", err)
	}
}

func TestQueryRequestsOnlyThePagesThatAreRead(t *testing.T) {
	t.Parallel()
	e := new(endpoint)
	table := e.open(t, dynamotable.Options{PageItems: 3})
	for i := range 7 {
		if _, err := table.Put(t.Context(), pipeline.Item{
			Key: pipeline.Key{PK: "p", SK: fmt.Sprint("s", i)}, Data: []byte(`{}`),
		}, pipeline.Absent()); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct{ take, seen, asked int }{{2, 2, 1}, {4, 4, 2}, {100, 7, 3}} {
		before := len(e.requestsOf("Query"))
		seen := 0
		for _, err := range table.Query(t.Context(), "p", "s") {
			if err != nil {
				t.Fatal(err)
			}
			if seen++; seen == tt.take {
				break
			}
		}
		if asked := len(e.requestsOf("Query")) - before; seen != tt.seen || asked != tt.asked {
			t.Errorf("taking %d: saw %d in %d requests, want %d in %d", tt.take, seen, asked, tt.seen, tt.asked)
		}
	}
}

func TestQueryYieldsItemsBeforeAnError(t *testing.T) {
	t.Parallel()
	e := new(endpoint)
	table := e.open(t, dynamotable.Options{PageItems: 1})
	for _, sk := range []string{"a", "b", "c"} {
		if _, err := table.Put(t.Context(), pipeline.Item{Key: pipeline.Key{PK: "p", SK: sk}, Data: []byte(`{}`)}, pipeline.Absent()); err != nil {
			t.Fatal(err)
		}
	}
	e.respond = func(w http.ResponseWriter, action string, nth int, _ func()) bool {
		return nth > 2 && refuse(w, http.StatusBadRequest, "AccessDeniedException", "no more")
	}
	var seen []string
	var failed error
	for it, err := range table.Query(t.Context(), "p", "") {
		if err != nil {
			failed = err
			continue
		}
		seen = append(seen, it.Key.SK)
	}
	if len(seen) != 2 || failed == nil || !strings.Contains(failed.Error(), "no more") {
		t.Errorf("got %q and the error %v, want two items and the error of DynamoDB", seen, failed)
	}
}

func TestQueryStopsAtAnInvalidItem(t *testing.T) {
	t.Parallel()
	e := new(endpoint)
	client := e.client(t)
	table, name := dynamotable.New(client, "records", dynamotable.Options{}), "records"
	str := func(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
	for sk, version := range map[string]types.AttributeValue{
		"a": str("v"), "b": &types.AttributeValueMemberBOOL{}, "c": str("v"),
	} {
		if _, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{
			TableName: &name, Item: map[string]types.AttributeValue{"PK": str("p"), "SK": str(sk), "version": version},
		}); err != nil {
			t.Fatal(err)
		}
	}
	var seen []string
	for it, err := range table.Query(t.Context(), "p", "") {
		seen = append(seen, it.Key.SK)
		if _, ok := errors.AsType[*pipeline.ItemError](err); err != nil && !ok {
			t.Errorf("got the error %v, want an *ItemError", err)
		}
	}
	if len(seen) != 2 || seen[0] != "a" {
		t.Errorf("saw %q, want a and then one error", seen)
	}
}
