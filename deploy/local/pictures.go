package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// picture is a file to upload.
type picture struct {
	Path string // on disk
	Key  string // in bucket uploads
	Size int64
}

// pictureNames are the extensions by which pictures are picked from a folder.
// The uploads worker decides by content.
var pictureNames = []string{
	".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".webp",
	".avif", ".bmp", ".heic", ".heif", ".jxl", ".svg", ".tif", ".tiff",
}

// findPictures lists the files that paths name: a file as it is, a folder's
// pictures without its subfolders. skipped are a folder's other files.
func findPictures(paths []string) (found []picture, skipped []string, err error) {
	var problems []error
	add := func(path, key string, info os.FileInfo) {
		if !info.Mode().IsRegular() {
			problems = append(problems, fmt.Errorf("%s is not a file", path))
			return
		}
		for _, p := range found {
			if p.Key == key {
				problems = append(problems, fmt.Errorf("%s and %s would both be %q", p.Path, path, key))
				return
			}
		}
		found = append(found, picture{path, key, info.Size()})
	}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		if !info.IsDir() {
			add(path, filepath.Base(path), info)
			continue
		}
		abs, err := filepath.Abs(path)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		entries, err := os.ReadDir(path)
		if err != nil {
			problems = append(problems, err)
		}
		for _, e := range entries {
			file := filepath.Join(path, e.Name())
			info, err := os.Stat(file) // through links
			switch {
			case err != nil:
				problems = append(problems, err)
			case info.IsDir():
			case strings.HasPrefix(e.Name(), ".") || !slices.Contains(pictureNames, strings.ToLower(filepath.Ext(e.Name()))):
				skipped = append(skipped, file)
			default:
				add(file, filepath.Base(abs)+"/"+e.Name(), info)
			}
		}
	}
	if len(problems) == 0 && len(found) == 0 {
		problems = append(problems, fmt.Errorf("no pictures in %s", strings.Join(paths, ", ")))
	}
	return found, skipped, errors.Join(problems...)
}
