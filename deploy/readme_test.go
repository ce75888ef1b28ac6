// Package deploy_test holds the project's pages to the code: their commands run,
// their links lead somewhere, and the tests that they name exist.
package deploy_test

import (
	"bufio"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = ".."

// pages are the paths of all Markdown files, relative to the root.
func pages(t *testing.T) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != root && (d.Name() == "shared" || d.Name() == "dist" || d.Name()[0] == '.' && d.Name() != ".github") {
			return filepath.SkipDir
		}
		if filepath.Ext(name) == ".md" {
			rel, err := filepath.Rel(root, name)
			if err != nil {
				return err
			}
			found = append(found, filepath.ToSlash(rel))
		}
		return nil
	})
	if err != nil || len(found) < 5 {
		t.Fatalf("pages: got %v, %v", found, err)
	}
	return found
}

func readPage(t *testing.T, page string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(page)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A block is a fenced code block of a page.
type block struct {
	language string
	lines    []string
}

func blocks(text string) []block {
	var found []block
	inside := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		switch language, fence := strings.CutPrefix(line, "```"); {
		case fence && !inside:
			found, inside = append(found, block{language: language}), true
		case fence:
			inside = false
		case inside:
			found[len(found)-1].lines = append(found[len(found)-1].lines, line)
		}
	}
	return found
}

// shellCommands are the commands of a page's sh blocks, one each, with the lines
// of a continued command joined.
func shellCommands(text string) []string {
	var found []string
	for _, b := range blocks(text) {
		if b.language != "sh" {
			continue
		}
		continued := ""
		for _, line := range b.lines {
			line = continued + line
			if head, ok := strings.CutSuffix(line, `\`); ok {
				continued = head
				continue
			}
			continued = ""
			if s := strings.TrimSpace(line); s != "" && s[0] != '#' {
				found = append(found, s)
			}
		}
	}
	return found
}

// notRun are the commands that the test does not run, by how they begin.
var notRun = []struct{ begins, reason string }{
	{"go build ", "compiles what the tests compile"},
	{"go vet ", "run by .ci/run"},
	{"go tool ", "run by .ci/run"},
	{"go test ", "runs tests from a test"},
	{".ci/", "takes minutes and runs this test"},
	{"go run ./deploy/aws/package", "the tests of deploy/aws/package build the zips"},
	{"go run ./deploy/container", "needs AWS"},
	{"go run ./thumbnail/bench", "needs sharp, libvips and Pillow"},
	{"cd deploy/aws", "begins the commands of sam"},
	{"sam ", "needs AWS"},
}

// needsAWS reports whether a command calls AWS: the aws CLI without an endpoint.
func needsAWS(command string) bool {
	return strings.HasPrefix(command, "aws ") && !strings.HasPrefix(command, "aws --endpoint-url ")
}

// clients begin the commands that feed the local stack. It prints them itself,
// with its address, and the tests of deploy/local run what it prints.
var clients = []string{"aws --endpoint-url ", "rclone ", "s3cmd ", "curl "}

const (
	serve       = "go run ./deploy/local" // without arguments
	defaultAddr = "127.0.0.1:9324"
)

// TestPrintedCommandsWork runs the commands of each page from top to bottom, in
// a folder that has the project's test data and a photo.jpg, and compares the
// report that the page shows with theirs.
func TestPrintedCommandsWork(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds commands: left out by -short")
	}
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("there is no sh to run the commands in")
	}
	bin := buildCommands(t)
	ran := 0
	for _, page := range pages(t) {
		commands := shellCommands(readPage(t, page))
		if len(commands) == 0 {
			continue
		}
		s := newShell(t, bin)
		t.Run(page, func(t *testing.T) {
			for _, command := range commands {
				plain, comment, _ := strings.Cut(command, " #")
				plain = strings.TrimSpace(plain)
				switch i := slices.IndexFunc(notRun, func(n struct{ begins, reason string }) bool {
					return strings.HasPrefix(command, n.begins)
				}); {
				case i >= 0:
					t.Logf("not run: %s: %s", plain, notRun[i].reason)
				case needsAWS(command):
					t.Logf("not run: %s: needs AWS", plain)
				case plain == serve:
					s.serve(t, command)
					ran++
				case slices.ContainsFunc(clients, func(c string) bool { return strings.HasPrefix(command, c) }):
					s.checkPrinted(t, plain)
				default:
					s.run(t, command, strings.Contains(comment, "exits 1"))
					ran++
				}
			}
			s.stop(t)
			if rows := checkReport(t, readPage(t, page), s.output); page == "README.md" && rows < 4 {
				t.Errorf("the page shows %d rows of the report, want at least 4", rows)
			}
		})
	}
	if ran < 8 {
		t.Errorf("ran %d commands, want at least 8: pages or their blocks were not found", ran)
	}
}

// buildCommands builds what pages run with go run, and a command go that starts
// it, and returns their folder.
func buildCommands(t *testing.T) string {
	t.Helper()
	bin := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin+string(filepath.Separator), "./deploy/local", "./deploy/replay", "./deploy/aws/capacity")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	script := "#!/bin/sh\n[ \"$1\" = run ] || { echo \"want go run, got go $*\" >&2; exit 2; }\nname=${2##*/}\nshift 2\nexec '" + bin + "'/\"$name\" \"$@\"\n"
	if err := os.WriteFile(filepath.Join(bin, "go"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return bin
}

// A shell runs the commands of one page.
type shell struct {
	dir     string
	env     []string
	server  *exec.Cmd // nil until a command serves
	addr    string    // of the server
	printed string    // by the server
	output  string    // of the commands that ended
}

func newShell(t *testing.T, bin string) *shell {
	t.Helper()
	s := &shell{dir: t.TempDir()}
	testdata, err := filepath.Abs(filepath.Join(root, "testdata"))
	if err != nil {
		t.Fatal(err)
	}
	photo, err := os.ReadFile(filepath.Join(testdata, "images", "orientation-1-upright.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Symlink(testdata, filepath.Join(s.dir, "testdata")), os.WriteFile(filepath.Join(s.dir, "photo.jpg"), photo, 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, e := range os.Environ() {
		name, _, _ := strings.Cut(e, "=")
		if !strings.HasPrefix(name, "AWS_") && name != "PATH" && name != "HOME" && !strings.HasSuffix(strings.ToUpper(name), "_PROXY") {
			s.env = append(s.env, e)
		}
	}
	s.env = append(s.env, "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"), "HOME="+s.dir)
	return s
}

func (s *shell) command(t *testing.T, line string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), "sh", "-c", line)
	cmd.Dir, cmd.Env = s.dir, s.env
	return cmd
}

// run runs a command to its end. It must end with status 0, or with 1.
func (s *shell) run(t *testing.T, command string, fails bool) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := s.command(t, command)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	s.output += stdout.String()
	want := 0
	if fails {
		want = 1
	}
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != want {
		t.Errorf("%s: got %v, want status %d\n%s%s", command, err, want, stdout.String(), stderr.String())
	}
}

// serve starts a local stack and reads what it prints up to its last line.
func (s *shell) serve(t *testing.T, command string) {
	t.Helper()
	plain, _, _ := strings.Cut(command, " #")
	s.server = s.command(t, "exec "+strings.TrimSpace(plain)+" -addr 127.0.0.1:0")
	s.server.Stderr = os.Stderr
	out, err := s.server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.server.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		s.printed += lines.Text() + "\n"
		if strings.Contains(lines.Text(), "Ctrl-C") {
			break
		}
	}
	addr := regexp.MustCompile(`http://(127\.0\.0\.1:[0-9]+)`).FindStringSubmatch(s.printed)
	if addr == nil {
		t.Fatalf("%s: printed no address:\n%s", command, s.printed)
	}
	s.addr = addr[1]
}

// checkPrinted wants a command of a client among those that the server prints.
func (s *shell) checkPrinted(t *testing.T, command string) {
	t.Helper()
	printed := strings.NewReplacer(s.addr, defaultAddr, " -data .sluice", "").Replace(s.printed)
	if s.addr == "" || !strings.Contains(printed, command+"\n") {
		t.Errorf("%s: the local stack prints no such command:\n%s", command, printed)
	}
}

// stop ends the server as Ctrl-C does.
func (s *shell) stop(t *testing.T) {
	t.Helper()
	if s.server == nil {
		return
	}
	if err := s.server.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := s.server.Wait(); err != nil {
		t.Errorf("the local stack after an interrupt: %v", err)
	}
}

// checkReport wants the rows of a report that a page shows among the output of
// its commands, and returns their number. Their times may differ.
func checkReport(t *testing.T, text, output string) (rows int) {
	t.Helper()
	took := regexp.MustCompile(`  [0-9.]+m?s  `)
	fields := func(line string) string {
		return strings.Join(strings.Fields(took.ReplaceAllString(line, " TIME ")), " ")
	}
	var printed []string
	for line := range strings.Lines(output) {
		printed = append(printed, fields(line))
	}
	for _, b := range blocks(text) {
		if len(b.lines) == 0 || !strings.HasPrefix(b.lines[0], "FILE ") {
			continue
		}
		for _, line := range b.lines {
			if line == "…" {
				continue
			}
			if rows++; !slices.Contains(printed, fields(line)) {
				t.Errorf("the page shows a row that no command prints: %s\nprinted:\n%s", line, output)
			}
		}
	}
	return rows
}

// TestPagesLinkToWhatExists follows the links between pages, to headings too.
func TestPagesLinkToWhatExists(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	links := 0
	for _, page := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(readPage(t, page), -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			links++
			file := page
			if target != "" {
				file = path.Join(path.Dir(page), target)
			}
			if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(file))); err != nil {
				t.Errorf("%s links to %s: %v", page, m[1], err)
				continue
			}
			if anchor != "" && !slices.Contains(anchors(readPage(t, file)), anchor) {
				t.Errorf("%s links to %s: %s has no such heading", page, m[1], file)
			}
		}
	}
	if links < 10 {
		t.Errorf("found %d links, want at least 10", links)
	}
}

// anchors are the names of a page's headings in links.
func anchors(text string) []string {
	var found []string
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		name := regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
		found = append(found, strings.ReplaceAll(name, " ", "-"))
	}
	return found
}

// TestFolderMapIsTrue wants every folder of the README's map to exist, and every
// folder of the first two levels that has Go files below it to be in the map.
func TestFolderMapIsTrue(t *testing.T) {
	t.Parallel()
	shown := map[string]bool{}
	for _, b := range blocks(readPage(t, "README.md")) {
		if len(b.lines) == 0 || !strings.HasPrefix(b.lines[0], "pipeline/ ") {
			continue
		}
		parent := ""
		for _, line := range b.lines {
			name, ok := strings.CutSuffix(strings.Fields(line)[0], "/")
			if !ok {
				t.Fatalf("the map of README.md: the line %q names no folder", line)
			}
			if strings.HasPrefix(line, " ") {
				name = path.Join(parent, name)
			} else {
				parent = name
			}
			shown[name] = true
		}
	}
	if len(shown) < 20 {
		t.Fatalf("the map of README.md: found %d folders, want at least 20", len(shown))
	}
	for dir := range shown {
		if info, err := os.Stat(filepath.Join(root, filepath.FromSlash(dir))); err != nil || !info.IsDir() {
			t.Errorf("README.md shows the folder %s, which does not exist", dir)
		}
	}
	for _, pattern := range []string{"*", "*/*"} {
		dirs, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
		if err != nil {
			t.Fatal(err)
		}
		for _, dir := range dirs {
			rel, err := filepath.Rel(root, dir)
			if err != nil {
				t.Fatal(err)
			}
			rel = filepath.ToSlash(rel)
			if rel[0] == '.' || rel == "shared" || path.Base(rel) == "internal" || shown[rel] || !hasGoFiles(t, dir) {
				continue
			}
			t.Errorf("README.md does not show the folder %s", rel)
		}
	}
}

func hasGoFiles(t *testing.T, dir string) bool {
	t.Helper()
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return false
	}
	found := false
	err := filepath.WalkDir(dir, func(name string, _ fs.DirEntry, err error) error {
		if filepath.Ext(name) == ".go" && !strings.HasSuffix(name, "_test.go") {
			found = true
			return filepath.SkipAll
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// testFunctions are the names of all test functions, by the folder that has
// them.
func testFunctions(t *testing.T) map[string][]string {
	t.Helper()
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark|Example)\w*)\(`)
	found := map[string][]string{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != root && (d.Name()[0] == '.' || d.Name() == "shared") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(name, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, filepath.Dir(name))
		if err != nil {
			return err
		}
		for _, m := range function.FindAllSubmatch(text, -1) {
			found[filepath.ToSlash(rel)] = append(found[filepath.ToSlash(rel)], string(m[1]))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestPagesNameTestsThatExist wants each test that a page names, alone or by the
// -run or -bench of a command, to exist in the package that the command names.
func TestPagesNameTestsThatExist(t *testing.T) {
	t.Parallel()
	tests := testFunctions(t)
	all := map[string]bool{}
	for _, names := range tests {
		for _, name := range names {
			all[name] = true
		}
	}
	named := regexp.MustCompile("`((?:Test|Fuzz|Benchmark)[A-Z]\\w*)`")
	goCommand := regexp.MustCompile(`go (?:test|run|build) [^\n` + "`" + `]*`)
	pattern := regexp.MustCompile(`-(?:run|bench)[= ]'?([^' ]+)`)
	dir := regexp.MustCompile(`(?:^| )\./([^ ]*)`)
	count := 0
	for _, page := range pages(t) {
		text := readPage(t, page)
		for _, m := range named.FindAllStringSubmatch(text, -1) {
			count++
			if !all[m[1]] {
				t.Errorf("%s names %s, which does not exist", page, m[1])
			}
		}
		for _, command := range goCommand.FindAllString(text, -1) {
			plain, _, _ := strings.Cut(command, " #")
			var names []string
			for _, m := range dir.FindAllStringSubmatch(plain, -1) {
				name, recursive := strings.CutSuffix(strings.TrimRight(m[1], ".,;:)"), "/")
				name = strings.TrimSuffix(name, "/")
				if m[1] == "..." || strings.HasSuffix(m[1], "/...") {
					name, recursive = strings.TrimSuffix(strings.TrimSuffix(m[1], "..."), "/"), true
				}
				if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(name))); err != nil {
					t.Errorf("%s: %s: %v", page, plain, err)
				}
				for d, functions := range tests {
					if d == name || recursive && (name == "" || strings.HasPrefix(d, name+"/")) {
						names = append(names, functions...)
					}
				}
			}
			for _, m := range pattern.FindAllStringSubmatch(plain, -1) {
				if m[1] == "^$" || m[1] == "." {
					continue
				}
				count++
				re, err := regexp.Compile(m[1])
				if err != nil {
					t.Errorf("%s: %s: %v", page, plain, err)
				} else if !slices.ContainsFunc(names, re.MatchString) {
					t.Errorf("%s: %s: no test has a name like %s", page, plain, m[1])
				}
			}
		}
	}
	if count < 10 {
		t.Errorf("found %d names of tests, want at least 10", count)
	}
}

// TestLargeTemplateIsDeployedThroughABucket: CloudFormation accepts a template of
// more than 51,200 bytes from a bucket only.
func TestLargeTemplateIsDeployedThroughABucket(t *testing.T) {
	t.Parallel()
	const most = 51_200
	info, err := os.Stat("aws/template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, page := range pages(t) {
		for _, command := range shellCommands(readPage(t, page)) {
			if !strings.HasPrefix(command, "aws cloudformation deploy ") {
				continue
			}
			found++
			if info.Size() > most && !strings.Contains(command, " --s3-bucket ") {
				t.Errorf("%s: %s: the template has %d bytes, over %d: want --s3-bucket", page, command, info.Size(), most)
			}
		}
	}
	if found == 0 {
		t.Error("no page prints aws cloudformation deploy")
	}
}
