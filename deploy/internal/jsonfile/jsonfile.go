// Package jsonfile reads and replaces small JSON files that only their owner
// may read.
package jsonfile

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
)

// TempSuffix follows the file's name, before what makes it unique, in the name
// of a file that is being written. A killed process leaves such a file behind.
const TempSuffix = ".tmp"

// Read decodes the file into v. A missing file is an error that wraps
// fs.ErrNotExist.
func Read(path string, v any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}

// Write replaces the file in one step. Its mode is 0600.
func Write(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+TempSuffix)
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
