from render.media.speed import measure


def test_speed_is_measured_over_the_real_way_in_and_out():
    speed = measure(64, 48, 20, "ffv1")
    assert (speed.width, speed.height, speed.codec) == (64, 48, "ffv1")
    assert min(speed.encode, speed.decode, speed.thumbnails) > 1
