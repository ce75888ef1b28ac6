package tabletest

import (
	"errors"
	"fmt"
	"strings"

	"sluice/pipeline"
)

func dataCases() []Case {
	return []Case{
		{"data-forms", "Data is stored as an equal JSON value.", checkDataForms},
		{"data-numbers", "Numbers keep 38 digits, from 1e-130 to 9.99e+125.", checkDataNumbers},
		{"data-names", "An attribute may have any name except the reserved ones.", checkDataNames},
		{"data-reserved-names", "The top level of data must not have the table's own attributes.", checkDataReservedNames},
		{"data-object", "Data is a JSON object.", checkDataObject},
		{"data-names-once", "Attribute names are unique and not empty.", checkDataNamesOnce},
	}
}

// wantKept stores each data and reads it back.
func (t *trial) wantKept(datas ...string) error {
	for i, data := range datas {
		it, err := t.create(t.key(fmt.Sprintf("kept%d", i)), data)
		if err != nil {
			return fmt.Errorf("%.300s: %w", data, err)
		}
		got, err := t.get(it.Key)
		if err != nil {
			return err
		}
		if err := wantData("get", got.Data, []byte(data)); err != nil {
			return err
		}
	}
	return nil
}

// wantRefused expects an *ItemError for each data, and no item.
func (t *trial) wantRefused(datas ...string) error {
	for i, data := range datas {
		k := t.key(fmt.Sprintf("refused%d", i))
		if err := wantItemError(fmt.Sprintf("put %.300q", data), t.put(k, data, pipeline.Always())); err != nil {
			return err
		}
		if it, err := t.table.Get(t.ctx, k); err == nil {
			return fmt.Errorf("put %.300q: got an *ItemError, but the item %v is stored", data, it)
		}
	}
	return nil
}

func checkDataForms(t *trial) error {
	return t.wantKept(
		`{}`,
		`{"string":"x","empty":"","true":true,"false":false,"null":null,"zero":0}`,
		`{"list":[],"map":{},"lists":[[],[[]],{}],"maps":{"a":{"b":{}}}}`,
		`{"mixed":[1,"1",true,null,{"a":[2,{"b":null}]},"",{" ":0}]}`,
		`{"text":"\u0000\u0001\t\r\n\"\\/<>&\u2028\u2029\ufffd\uffff\ud83d\ude00é e\u0301 \u200d"}`,
		`{"looks":["0","1.0","null","true","{}","[]","2026-01-01T00:00:00Z","AAECAw=="]}`,
		` { "spaced" : [ 1 , 2 ] } `,
	)
}

func checkDataNumbers(t *trial) error {
	const digits38 = "12345678901234567890123456789012345678"
	return t.wantKept(
		`{"n":[0,1,-1,0.5,-0.5,10,100,1000000,0.1,0.01,1.0,1.10,-0]}`,
		`{"n":9007199254740993,"m":{"deep":[-9007199254740993,18446744073709551617]}}`,
		`{"n":[`+digits38+`,-`+digits38+`,0.`+digits38+`,1.2345678901234567890123456789012345678,`+digits38+`000]}`,
		`{"n":[0.1234567890123456789,3.141592653589793238462643383279502884]}`,
		`{"n":[1e3,1E3,1e+3,1e-3,-2.5e10,1.5E-7,1e38,1e39,123e-5]}`,
		`{"n":[1e-130,-1e-130,9.9999999999999999999999999999999999999e125,-9.9999999999999999999999999999999999999e+125]}`,
		`{"n":[1`+strings.Repeat("0", 125)+`,0.`+strings.Repeat("0", 129)+`1]}`,
	)
}

func checkDataNames(t *trial) error {
	return t.wantKept(
		`{"name":1,"status":2,"size":3,"data":4,"key":5,"value":6,"ttl":7,"order":8,"select":9,"Item":10}`,
		`{"a.b":1,"a":{"b":2},"a[0]":3,"#n":4,":v":5," ":6,"a b":7,"-":8,"é":9,"日本":10,"😀":11,"0":12,"\"":13,"a/b":14}`,
		`{"pk":1,"Pk":2,"sk":3,"Version":4,"VERSION":5,"Expires":6,"versions":7,"S":"S","N":{"N":"1"},"M":{"M":{"L":[1]}},"NULL":true}`,
		`{"nested":{"PK":1,"SK":2,"version":3,"expires":4},"list":[{"PK":1,"version":"x"}]}`,
		`{"case":1,"Case":2,"CASE":3}`,
		`{"`+strings.Repeat("long", 1000)+`":1}`,
	)
}

func checkDataReservedNames(t *trial) error {
	return t.wantRefused(
		`{"PK":"x"}`, `{"SK":"x"}`, `{"version":"x"}`, `{"expires":1}`, `{"a":1,"version":null}`,
		`{"\u0050K":"x"}`, // PK, escaped
	)
}

func checkDataObject(t *trial) error {
	if err := t.wantRefused(
		``, ` `, `null`, `true`, `1`, `"x"`, `[]`, `[{}]`, `{`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{"a":01}`, `{"a":.5}`, `{"a":NaN}`,
		`{'a':1}`, `{"a":1}}`, `{"a":1} {}`, `{"a":[1,]}`, `{"a":[1}`, `{"a":tru}`, "{\"a\":\"\n\"}", `x`,
	); err != nil {
		return err
	}
	_, err := t.table.Put(t.ctx, pipeline.Item{Key: t.key("nil")}, pipeline.Always())
	return wantItemError("put without data", err)
}

func checkDataNamesOnce(t *trial) error {
	return errors.Join(t.wantRefused(`{"a":1,"a":2}`, `{"a":1,"b":2,"\u0061":3}`, `{"":1}`))
}
