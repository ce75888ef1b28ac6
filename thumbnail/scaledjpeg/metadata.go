package scaledjpeg

import "fmt"

// The names that begin an application segment.
const (
	nameJFIF  = "JFIF\x00"
	nameExif  = "Exif\x00\x00"
	nameICC   = "ICC_PROFILE\x00"
	nameAdobe = "Adobe"
)

// application reads an APPn segment for what the decoder or its caller needs.
func (d *Decoder) application(m byte, n int) (left int, err error) {
	var b [14]byte
	head := b[:min(n, len(b))]
	// The buffer holds only the name of Exif, so the rest is read in place.
	switch m {
	case mAPP0:
		head = head[:min(n, len(nameJFIF))]
	case mAPP1:
		head = head[:min(n, len(nameExif))]
	}
	if !d.src.readFull(head) {
		return 0, d.src.short(markerName(m))
	}
	n -= len(head)
	switch {
	case m == mAPP0 && string(head) == nameJFIF:
		d.jfif = true
	case m == mAPP1 && string(head) == nameExif && d.hdr.EXIF == nil && !d.ready:
		exif := make([]byte, n)
		if !d.src.readFull(exif) {
			return 0, d.src.short("Exif")
		}
		d.hdr.EXIF = exif
		return 0, nil
	case m == mAPP2 && len(head) == 14 && string(head[:12]) == nameICC:
		return d.icc.add(d, int(head[12]), int(head[13]), n)
	case m == mAPPE && len(head) >= 12 && string(head[:5]) == nameAdobe:
		d.adobe, d.adobeColor = true, head[11]
	}
	return n, nil
}

// setColorModel chooses the color model as libjpeg does: JFIF means YCbCr, then
// Adobe's marker decides, then the component ids.
func (d *Decoder) setColorModel() {
	h := &d.hdr
	switch h.Components {
	case 1:
		h.ColorModel = Gray
	case 3:
		h.ColorModel = YCbCr
		named := d.comps[0].id == 'R' && d.comps[1].id == 'G' && d.comps[2].id == 'B'
		if !d.jfif && (d.adobe && d.adobeColor == 0 || !d.adobe && named) {
			h.ColorModel = RGB
		}
	case 4:
		h.ColorModel = CMYK
		if d.adobe && d.adobeColor != 0 {
			h.ColorModel = YCCK
		}
		h.Inverted = true
	}
}

// iccParts collects the parts of a profile, in any order.
type iccParts struct {
	max   int
	total int // parts the file announces
	have  int
	size  int
	parts [256][]byte
	err   error
}

// add reads part number of total, n bytes.
func (p *iccParts) add(d *Decoder, number, total, n int) (left int, err error) {
	if d.ready || p.err != nil {
		return n, nil
	}
	switch {
	case number == 0 || number > total || p.total != 0 && total != p.total:
		p.err = fmt.Errorf("ICC profile: part %d of %d", number, total)
	case p.parts[number] != nil:
		p.err = fmt.Errorf("ICC profile: part %d twice", number)
	case n > p.max-p.size:
		p.err = fmt.Errorf("ICC profile: over %d bytes", p.max)
	}
	if p.err != nil {
		clear(p.parts[:])
		return n, nil
	}
	part := make([]byte, n)
	if !d.src.readFull(part) {
		return 0, d.src.short("ICC profile")
	}
	p.parts[number] = part
	p.total = total
	p.size += n
	p.have++
	return 0, nil
}

// join returns the whole profile, nil where there is none.
func (p *iccParts) join() ([]byte, error) {
	if p.err == nil && p.have < p.total {
		p.err = fmt.Errorf("ICC profile: %d of %d parts", p.have, p.total)
	}
	if p.err != nil || p.total == 0 {
		return nil, p.err
	}
	profile := p.parts[1]
	if p.total > 1 {
		profile = make([]byte, 0, p.size)
		for _, part := range p.parts[1 : p.total+1] {
			profile = append(profile, part...)
		}
	}
	clear(p.parts[:])
	return profile, nil
}
