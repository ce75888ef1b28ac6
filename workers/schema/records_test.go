package schema

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"
	"time"

	"sluice/pipeline"
)

func TestKeys(t *testing.T) {
	t.Parallel()
	rows := []struct {
		got, want pipeline.Key
	}{
		{ImageKey("b", "a/c.png"), pipeline.Key{PK: "image#b/a/c.png", SK: "-"}},
		{UserKey("ada@example.com"), pipeline.Key{PK: "user#ada@example.com", SK: "-"}},
		{OrderKey("ada@example.com", "1"), pipeline.Key{PK: "user#ada@example.com", SK: "order#1"}},
	}
	for _, r := range rows {
		if r.got != r.want {
			t.Errorf("got %v, want %v", r.got, r.want)
		}
	}
}

func TestOwnersOfKeys(t *testing.T) {
	t.Parallel()
	user, order, image := UserKey("a@x.org"), OrderKey("a@x.org", "order#1"), ImageKey("b", "user#a@x.org")
	if email, ok := UserOf(user); !ok || email != "a@x.org" {
		t.Errorf("got %q %v", email, ok)
	}
	for _, k := range []pipeline.Key{order, image, {PK: "user#a@x.org", SK: "profile"}, {}} {
		if email, ok := UserOf(k); ok {
			t.Errorf("%v is user %q", k, email)
		}
	}
	if email, id, ok := OrderOf(order); !ok || email != "a@x.org" || id != "order#1" {
		t.Errorf("got %q %q %v", email, id, ok)
	}
	for _, k := range []pipeline.Key{user, image, {PK: "image#b/k", SK: "order#1"}, {}} {
		if email, id, ok := OrderOf(k); ok {
			t.Errorf("%v is order %q of %q", k, id, email)
		}
	}
}

// oddKeys are keys whose parts look like the marks between them.
func oddKeys() []pipeline.Key {
	var keys []pipeline.Key
	odd := []string{"a", "a/b c.png", "/", "//", "-", "#", "order#1", "a/order#1", "user#a@x.org/order#1", "image#b/k", "日本/ü.png", "%2F", " "}
	emails := []string{"a@x.org", "a/order#1@x.org", "order#1@x.org", "/order#@x.org", "user#a@x.org", "ü@münchen.example", "-@x.org"}
	for _, key := range odd {
		keys = append(keys, ImageKey("bucket", key))
	}
	for _, email := range emails {
		if checkEmail("email", email) != nil {
			panic(email)
		}
		keys = append(keys, UserKey(email))
		for _, id := range append(odd, "@", "a@x.org/order#2") {
			keys = append(keys, OrderKey(email, id))
		}
	}
	return keys
}

func TestKeyTextRoundTrip(t *testing.T) {
	t.Parallel()
	seen := map[string]pipeline.Key{}
	for _, k := range oddKeys() {
		text := KeyText(k)
		if other, taken := seen[text]; taken {
			t.Errorf("%v and %v are both %q", k, other, text)
		}
		seen[text] = k
		if got := ParseKeyText(text); got != k {
			t.Errorf("%q: got %v, want %v", text, got, k)
		}
	}
}

func TestKeyText(t *testing.T) {
	t.Parallel()
	rows := []struct {
		text string
		key  pipeline.Key
	}{
		{"image#uploads/a.png", ImageKey("uploads", "a.png")},
		{"user#a@x.org", UserKey("a@x.org")},
		{"user#a@x.org/order#7", OrderKey("a@x.org", "7")},
		{"user#nobody/order#7", pipeline.Key{PK: "user#nobody", SK: "order#7"}}, // what is no address is split as well
		{"other", pipeline.Key{PK: "other", SK: "-"}},
		{"", pipeline.Key{SK: "-"}},
	}
	for _, r := range rows {
		if got := ParseKeyText(r.text); got != r.key {
			t.Errorf("%q: got %v, want %v", r.text, got, r.key)
		}
		if got := KeyText(r.key); got != r.text {
			t.Errorf("%v: got %q, want %q", r.key, got, r.text)
		}
	}
}

func FuzzKeyText(f *testing.F) {
	for _, k := range oddKeys() {
		f.Add(KeyText(k))
	}
	f.Fuzz(func(t *testing.T, text string) {
		if got := KeyText(ParseKeyText(text)); got != text {
			t.Errorf("got %q, want %q", got, text)
		}
	})
}

// TestRecordsHaveNoFieldTwice: two embedded structs with one name would both be
// left out of the JSON.
func TestRecordsHaveNoFieldTwice(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	change := Change{Status: StatusReady, Cause: "c", At: at}
	src := Source{Bucket: "b", Key: "k", ETag: "e", Sequencer: "1", VersionID: "v"}
	pic := Picture{Format: "PNG", Width: 1, Height: 2, Bytes: 3, Thumbnails: []Thumbnail{{Size: "8x8", Bucket: "t", Key: "u", Width: 1, Height: 2, Bytes: 4, ContentType: "image/png"}}}
	details := OrderDetails{Items: []OrderItem{{SKU: "s", Quantity: 2}}, Amount: 5, Currency: "EUR"}
	rows := []struct {
		record any
		fields []string
	}{
		{&Image{Change: change, Source: src, Picture: &pic, Reason: "r"}, []string{"at", "bucket", "bytes", "cause", "etag", "format", "height", "key", "reason", "sequencer", "status", "thumbnails", "versionId", "width"}},
		{&Image{Change: change, Source: Source{Bucket: "b", Key: "k"}}, []string{"at", "bucket", "cause", "key", "status"}},
		{&User{Change: change, Email: "a@x.org", Name: "n", ID: "i"}, []string{"at", "cause", "email", "id", "name", "status"}},
		{&Order{Change: change, Email: "a@x.org", ID: "1", OrderDetails: details, Reason: "r"}, []string{"amount", "at", "cause", "currency", "email", "id", "items", "reason", "status"}},
		{&ImageProcessed{Source: src, Picture: pic}, []string{"bucket", "bytes", "etag", "format", "height", "key", "sequencer", "thumbnails", "versionId", "width"}},
		{&ImageRejected{Source: src, Reason: "r"}, []string{"bucket", "etag", "key", "reason", "sequencer", "versionId"}},
		{&ImageRemoved{Source: src}, []string{"bucket", "etag", "key", "sequencer", "versionId"}},
		{&OrderProcessing{Email: "a@x.org", ID: "1", OrderDetails: details}, []string{"amount", "currency", "email", "id", "items"}},
	}
	for _, r := range rows {
		b, err := json.Marshal(r.record)
		if err != nil {
			t.Fatal(err)
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(b, &members); err != nil {
			t.Fatal(err)
		}
		var names []string
		for name := range members {
			names = append(names, name)
		}
		if slices.Sort(names); !slices.Equal(names, r.fields) {
			t.Errorf("%T has members %q, want %q", r.record, names, r.fields)
		}
		again := reflect.New(reflect.TypeOf(r.record).Elem())
		if err := json.Unmarshal(b, again.Interface()); err != nil || !reflect.DeepEqual(again.Interface(), r.record) {
			t.Errorf("%T: got %+v %v, want %+v", r.record, again, err, r.record)
		}
	}
}

func TestAddressesAreNormalisedInKeys(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"ada@example.com":       "ada@example.com",
		"ADA@Example.com":       "ada@example.com",
		"A.Z+tag@SUB.EXAMPLE":   "a.z+tag@sub.example",
		"\u212Aay@example.com":  "\u212Aay@example.com", // the Kelvin sign is no K
		"\u0130ris@example.com": "\u0130ris@example.com",
	} {
		if got := NormalizeAddress(address); got != want {
			t.Errorf("%q: got %q, want %q", address, got, want)
		}
		if got := UserKey(address).PK; got != "user#"+want {
			t.Errorf("user %q: got the key %q", address, got)
		}
		order := OrderKey(address, "A/7")
		if order != (pipeline.Key{PK: "user#" + want, SK: "order#A/7"}) || NormalKey(order) != order {
			t.Errorf("order of %q: got the key %q", address, order)
		}
	}
	image := ImageKey("uploads", "user#ADA.jpg")
	if got := NormalKey(image); got != image {
		t.Errorf("image: got the key %q, want %q", got, image)
	}
}

func TestRecordOfReturnsPartsOfTheKey(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		key        pipeline.Key
		record, id string
	}{
		{UserKey("o'neil/order#1@x.org"), RecordUser, "o'neil/order#1@x.org"},
		{OrderKey("ada@x.org", "2024/7"), RecordOrder, "2024/7"},
		{OrderKey("ada@x.org", "a/order#b"), RecordOrder, "a/order#b"},
		{OrderKey("ada@x.org", "-"), RecordOrder, "-"},
		{ImageKey("b", "user#a/order#1"), RecordImage, "b/user#a/order#1"},
		{pipeline.Key{PK: "image#b/k", SK: "order#1"}, "", ""},
		{pipeline.Key{PK: "user#a@x.org", SK: "other"}, "", ""},
		{pipeline.Key{PK: "other", SK: "-"}, "", ""},
	} {
		if record, id := RecordOf(c.key); record != c.record || id != c.id {
			t.Errorf("%+v: got %q and %q, want %q and %q", c.key, record, id, c.record, c.id)
		}
	}
}
