package dynamotable

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"
)

// plainNumbers maps numbers to the form that DynamoDB returns, which
// TestNumbersOnEngine checks.
var plainNumbers = map[string]string{
	"0": "0", "-0": "0", "0.00": "0", "-0.0e5": "0", "0e99": "0",
	"1": "1", "-1": "-1", "10": "10", "100": "100", "1.0": "1", "1.50": "1.5", "-2.25": "-2.25",
	"0.1": "0.1", "0.010": "0.01", "1e3": "1000", "1E+3": "1000", "1.5e3": "1500", "1.5e1": "15", "1.25e1": "12.5",
	"1e-3": "0.001", "12e-1": "1.2", "120e-2": "1.2", "-12e-5": "-0.00012", "1000e-3": "1",
	"9007199254740993":                         "9007199254740993",
	"12345678901234567890123456789012345678":   "12345678901234567890123456789012345678",
	"0.12345678901234567890123456789012345678": "0.12345678901234567890123456789012345678",
	"1.2345678901234567890123456789012345678":  "1.2345678901234567890123456789012345678",
	"1e125":  "1" + strings.Repeat("0", 125),
	"1e-130": "0." + strings.Repeat("0", 129) + "1",
}

func TestPlainNumberIsTheFormOfDynamoDB(t *testing.T) {
	t.Parallel()
	for n, want := range plainNumbers {
		if got := plainNumber(n); got != want {
			t.Errorf("%s: got %s, want %s", n, got, want)
		}
	}
	for _, n := range []string{"1e201", "1e-201", "1e99999999999999999999", "-1e-99999999999999999999"} {
		if got := plainNumber(n); got != n {
			t.Errorf("%s: got %.50s, want it unchanged", n, got)
		}
	}
}

func FuzzPlainNumber(f *testing.F) {
	for n := range plainNumbers {
		f.Add(n)
	}
	f.Fuzz(func(t *testing.T, n string) {
		var number json.Number
		if json.Unmarshal([]byte(n), &number) != nil || number == "" || strings.ContainsAny(n, "\" \t\r\n") {
			t.Skip("not a JSON number")
		}
		if _, e, ok := strings.Cut(strings.ToLower(n), "e"); ok && len(e) > 4 {
			t.Skip("big.Rat would take long")
		}
		got := plainNumber(n)
		want, ok := new(big.Rat).SetString(n)
		is, okIs := new(big.Rat).SetString(got)
		if !ok || !okIs || want.Cmp(is) != 0 {
			t.Fatalf("%s became %s", n, got)
		}
		if again := plainNumber(got); again != got {
			t.Fatalf("%s became %s, and that %s", n, got, again)
		}
		if !json.Valid([]byte(got)) {
			t.Fatalf("%s became %s, which is not JSON", n, got)
		}
	})
}
