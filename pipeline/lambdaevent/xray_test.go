package lambdaevent

import "testing"

func TestTraceParent(t *testing.T) {
	t.Parallel()
	const w3c = "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-0"
	for header, want := range map[string]string{
		"Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1":                                        w3c + "1",
		"Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0":                                        w3c + "0",
		"Self=1-6759e988-bd862e3f; Sampled=?; Parent=53995c3f42cd8ad8;Root=1-5759e988-bd862e3fe1be46a994272793;Lineage=a:0": w3c + "0",
		"Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1":                                                                "", // no parent yet
		"Root=2-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8":                                                  "",
		"Root=1-5759e98-bd862e3fe1be46a9942727933;Parent=53995c3f42cd8ad8":                                                  "",
		"Root=1-5759e988-bd862e3fe1be46a99427279g;Parent=53995c3f42cd8ad8":                                                  "",
		"Root=1-5759E988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8":                                                  "",
		"Root=1-5759e988-bd862e3fe1be46a994272793;Parent=0000000000000000":                                                  "",
		"": "", "Root": "", ";;=": "",
	} {
		if got := traceParent(header); got != want {
			t.Errorf("%s: got %q, want %q", header, got, want)
		}
	}
}
