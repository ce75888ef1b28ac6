package stack

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"sluice/deploy/internal/jsonfile"
	"sluice/deploy/local/admin"
)

const keysFile = "keys.json"

// keys are the credentials that requests are signed with.
type keys struct {
	AccessKey string `json:"accessKey"`
	SecretKey string `json:"secretKey"`
}

// readKeys returns the keys in dir. The first start makes them.
func readKeys(dir string) (keys, error) {
	path := filepath.Join(dir, keysFile)
	var k keys
	err := jsonfile.Read(path, &k)
	if errors.Is(err, fs.ErrNotExist) {
		k = keys{"SLUICE" + rand.Text()[:14], rand.Text() + rand.Text()}
		return k, jsonfile.Write(path, k)
	}
	if err == nil && (k.AccessKey == "" || k.SecretKey == "") {
		err = errors.New("accessKey or secretKey is missing")
	}
	if err != nil {
		return k, fmt.Errorf("keys %s: %w (remove the file, and the next start makes new keys)", path, err)
	}
	return k, nil
}

// earlierRuntimeFile is what a commit before this one called the runtime info
// file. A killed process may have left it behind, with credentials in it.
const earlierRuntimeFile = "address.json"

// removeLeftovers removes what a killed process was writing. Only the owner of
// the folder may call it.
func removeLeftovers(dir string) error {
	var problems []error
	for _, pattern := range []string{
		admin.RuntimeFile + jsonfile.TempSuffix + "*", keysFile + jsonfile.TempSuffix + "*",
		earlierRuntimeFile, earlierRuntimeFile + jsonfile.TempSuffix + "*",
		filepath.Join("thumbnails", TempThumbnail+"*"),
	} {
		names, err := fs.Glob(os.DirFS(dir), filepath.ToSlash(pattern))
		problems = append(problems, err)
		for _, name := range names {
			problems = append(problems, os.Remove(filepath.Join(dir, filepath.FromSlash(name))))
		}
	}
	return errors.Join(problems...)
}

// TempThumbnail begins the name of a thumbnail that a command is copying into
// the folder.
const TempThumbnail = ".thumbnail"
