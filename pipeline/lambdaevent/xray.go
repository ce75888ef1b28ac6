package lambdaevent

import "strings"

// traceParent converts an X-Ray trace header to a W3C trace context. It returns
// "" if the header has no trace and parent.
//
//	Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1
//	00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01
func traceParent(header string) string {
	var trace, parent string
	flags := "00"
	for field := range strings.SplitSeq(header, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		switch name {
		case "Root":
			trace = value
		case "Parent":
			parent = value
		case "Sampled":
			if value == "1" {
				flags = "01"
			}
		}
	}
	root, ok := strings.CutPrefix(trace, "1-")
	seconds, random, _ := strings.Cut(root, "-")
	if !ok || !isHex(seconds, 8) || !isHex(random, 24) || !isHex(parent, 16) {
		return ""
	}
	return "00-" + seconds + random + "-" + parent + "-" + flags
}

// isHex reports whether s is n lower case hex digits that are not all 0.
func isHex(s string, n int) bool {
	return len(s) == n && strings.Trim(s, "0123456789abcdef") == "" && strings.Trim(s, "0") != ""
}
