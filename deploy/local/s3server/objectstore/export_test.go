package objectstore

import (
	"io"
	"os"
	"time"
)

// SetStep calls f at the points where a change can be interrupted.
func (o *Options) SetStep(f func(point string)) { o.step = f }

// SetMaxObjectBytes limits the size of an object.
func (o *Options) SetMaxObjectBytes(n int64) { o.maxObjectBytes = n }

// SetStaleUpload sets the age at which an unfinished upload is aborted.
func (o *Options) SetStaleUpload(age time.Duration) { o.staleUpload = age }

// ReplaceSync replaces the sync of files and folders, and returns the previous one.
func (s *Store) ReplaceSync(f func(*os.File) error) func(*os.File) error {
	old := s.bodies.sync
	s.bodies.sync = f
	return old
}

// WrapBodies replaces the writers of bodies.
func (s *Store) WrapBodies(f func(io.Writer) io.Writer) { s.bodies.wrap = f }

// SetFree replaces the free-space check.
func (s *Store) SetFree(f func(dir string) (int64, bool)) { s.bodies.free = f }

// SetLink replaces the creation of links.
func (s *Store) SetLink(f func(from, to string) error) { s.bodies.linkFile = f }

// CountParts returns the number of parts of uploads in progress.
func (s *Store) CountParts() (n int, err error) {
	err = s.view(func(x index) error {
		return x.parts().ForEach(func(_, _ []byte) error { n++; return nil })
	})
	return n, err
}
