package attributes_test

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"

	"sluice/pipeline/lambdaevent"
	"sluice/pipeline/lambdaevent/attributes"
	"sluice/pipeline/lambdaevent/streamchange"
)

// everyType is an item with an attribute of each type.
const everyType = `{"b":{"B":"AAEC/w=="},"bool":{"BOOL":false},"bs":{"BS":["AAEC","/w=="]},"empty":{"S":""},"l":{"L":[{"S":"x"},{"N":"1"},{"L":[]},{"M":{}}]},` +
	`"m":{"M":{"in":{"M":{"deep":{"NULL":true}}}}},"n":{"N":"-1.5E+10"},"ns":{"NS":["3","9007199254740993"]},"nul":{"NULL":true},"s":{"S":"\"ü\n\u003c"},"ss":{"SS":["b","a"]},"yes":{"BOOL":true}}`

func TestValuesEqualThoseOfTheSDK(t *testing.T) {
	t.Parallel()
	image, err := streamchange.DecodeImage([]byte(everyType))
	if err != nil {
		t.Fatal(err)
	}
	want, err := attributevalue.UnmarshalMapJSON([]byte(everyType))
	if err != nil {
		t.Fatal(err)
	}
	got := attributes.Values(image)
	for name := range want {
		if !reflect.DeepEqual(got[name], want[name]) {
			t.Errorf("%s: got %#v, the SDK reads %#v", name, got[name], want[name])
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %d attributes, want %d", len(got), len(want))
	}
}

func TestNilAndEmptyImagesDiffer(t *testing.T) {
	t.Parallel()
	if got := attributes.Values(nil); got != nil {
		t.Errorf("nil image: got %v, want nil", got)
	}
	if got := attributes.Values(streamchange.Image{}); got == nil {
		t.Error("empty image: got nil, want an empty map")
	}
}

// largeNumbers returns the new image of a recorded change.
func largeNumbers(t *testing.T) streamchange.Image {
	t.Helper()
	payload, err := os.ReadFile("../../../testdata/events/changes/large-numbers.json")
	if err != nil {
		t.Fatal(err)
	}
	b, err := lambdaevent.Decode(payload, lambdaevent.DynamoDBStream)
	if err != nil {
		t.Fatal(err)
	}
	c, err := streamchange.Decode(b.Records[0])
	if err != nil {
		t.Fatal(err)
	}
	return c.New
}

func TestUnmarshalKeepsNumbersExact(t *testing.T) {
	t.Parallel()
	image := largeNumbers(t)
	const total = "12345678901234567890123456789012345678"

	var whole any
	if err := attributes.Unmarshal(image, &whole); err != nil {
		t.Fatal(err)
	}
	m := whole.(map[string]any)
	if m["serial"] != attributevalue.Number("9007199254740993") || m["total"] != attributevalue.Number(total) {
		t.Errorf("in an any: got %v (%[1]T) and %v", m["serial"], m["total"])
	}
	items := m["items"].([]any)
	if q := items[0].(map[string]any)["quantity"]; q != attributevalue.Number("2") {
		t.Errorf("deep in an any: got %v (%[1]T)", q)
	}

	var byName map[string]any
	if err := attributes.Unmarshal(image, &byName); err != nil || byName["debt"] != attributevalue.Number("-9007199254740995") {
		t.Errorf("in a map: got %v and %v", byName["debt"], err)
	}

	var tagged struct {
		Serial int64  `json:"serial"`
		Total  string `dynamodbav:"total"`
		Items  []struct {
			SKU      string `json:"sku"`
			Quantity int    `json:"quantity"`
		} `json:"items"`
		Ratio json.Number `json:"ratio"`
		Rest  any         `json:"debt"`
	}
	if err := attributes.Unmarshal(image, &tagged); err != nil {
		t.Fatal(err)
	}
	if tagged.Serial != 9007199254740993 || tagged.Total != total || tagged.Items[1].SKU != "poster-a2" || tagged.Items[0].Quantity != 2 ||
		tagged.Ratio != "0.1000000000000000000000000000000000001" || tagged.Rest != attributevalue.Number("-9007199254740995") {
		t.Errorf("in a struct: got %+v", tagged)
	}
}

func TestUnmarshalErrorNamesTheType(t *testing.T) {
	t.Parallel()
	image := largeNumbers(t)
	var into struct {
		Serial int8 `json:"serial"`
	}
	if err := attributes.Unmarshal(image, &into); err == nil || !strings.Contains(err.Error(), "int8") {
		t.Errorf("got %v, want an error that names the type", err)
	}
}
