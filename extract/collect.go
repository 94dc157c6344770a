package extract

import (
	"fmt"

	"micodata/internal/nut"
)

// A collector sorts what comes from the encoder to the clips it belongs to.
type collector struct {
	job encodeJob
	// complete takes a clip to which nothing is missing any more.
	complete func(*clip) error

	bySlot  map[int64]*clip
	coming  [lanes]int64   // slot that a lane's packets belong to
	lead    coded          // the AAC packet before the last
	asked   [lanes]int64   // JPEGs asked for
	queue   [lanes][]*clip // whose they are
	headers [lanes]*nut.Stream
}

// expect announces a clip that has got a slot.
func (k *collector) expect(c *clip) { k.bySlot[c.slot] = c }

// drop makes what comes for the clip be thrown away.
func (k *collector) drop(c *clip) {
	delete(k.bySlot, c.slot)
	c.frames, c.packets = nil, nil
}

// ask announces that a JPEG for the clip is the next that a lane gives.
func (k *collector) ask(c *clip, l lane) {
	k.asked[l]++
	k.queue[l] = append(k.queue[l], c)
}

func (k *collector) collect(p coded) error {
	switch {
	case p.header != nil:
		k.headers[p.lane] = p.header
		return nil
	case p.end:
		if p.lane == videoLane || p.lane == audioLane {
			return k.next(p.lane, -1)
		}
		return nil
	}
	switch p.lane {
	case videoLane:
		return k.video(p)
	case audioLane:
		return k.audio(p)
	}
	return k.still(p)
}

// next notes that a lane has come to another slot, so that the clip of the last
// is complete there.
func (k *collector) next(l lane, slot int64) error {
	before := k.bySlot[k.coming[l]]
	k.coming[l] = slot
	if before == nil {
		return nil
	}
	if l == videoLane {
		before.hasVideo = true
	} else {
		before.hasAudio = true
	}
	return k.settle(before)
}

func (k *collector) video(p coded) error {
	slot := p.at / (k.job.slot * int64(k.job.m.clock))
	if slot != k.coming[videoLane] {
		if err := k.next(videoLane, slot); err != nil {
			return err
		}
	}
	if c := k.bySlot[slot]; c != nil {
		p.at -= slot * k.job.slot * int64(k.job.m.clock)
		c.frames = append(c.frames, p)
	}
	return nil
}

// audio takes an AAC packet. A packet is heard from its time on, but only
// together with the packet before it, which for a clip's first one holds the end
// of the silence after the clip before.
func (k *collector) audio(p coded) error {
	length := k.job.slot * int64(k.job.m.nativeRate)
	slot := p.at / length
	lead := k.lead
	k.lead = p
	if slot != k.coming[audioLane] {
		if err := k.next(audioLane, slot); err != nil {
			return err
		}
		if c := k.bySlot[slot]; c != nil {
			c.packets = append(c.packets, lead)
		}
	}
	if c := k.bySlot[slot]; c != nil {
		p.at -= slot * length
		c.packets = append(c.packets, p)
	}
	return nil
}

func (k *collector) still(p coded) error {
	if len(k.queue[p.lane]) == 0 {
		return fmt.Errorf("the encoder has given back a picture that nobody asked for")
	}
	c := k.queue[p.lane][0]
	k.queue[p.lane] = k.queue[p.lane][1:]
	if p.lane == imageLane {
		c.image = p.data
	} else {
		c.smalls = append(c.smalls, p.data)
	}
	return k.settle(c)
}

func (k *collector) settle(c *clip) error {
	if !c.isComplete(&k.job) {
		return nil
	}
	delete(k.bySlot, c.slot)
	return k.complete(c)
}
