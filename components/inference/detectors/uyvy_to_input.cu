// One pass from a camera's UYVY frame to a model's input: RGB, halved by area, the rest by area.
// The same numbers as preprocessing `area-halves-1` gives on a CPU: each halving rounds to whole values.

#define LUMA_SCALE 1220542
#define RED_OF_V 1673527
#define GREEN_OF_V -852492
#define GREEN_OF_U -409993
#define BLUE_OF_U 2116026
#define HALF (1 << 19)

struct Rgb {
    int red, green, blue;
};

__device__ static int within_byte(int value) {
    return value < 0 ? 0 : (value > 255 ? 255 : value);
}

// ITU-R BT.601 in fixed point, 20 bits behind the point.
__device__ static Rgb source_pixel(const unsigned char *frame, int width, int x, int y) {
    const unsigned char *pair = frame + ((long)y * width + (x & ~1)) * 2;
    int u = pair[0] - 128, v = pair[2] - 128;
    int luma = pair[1 + 2 * (x & 1)] - 16;
    luma = (luma < 0 ? 0 : luma) * LUMA_SCALE;
    Rgb result;
    result.red = within_byte((luma + HALF + RED_OF_V * v) >> 20);
    result.green = within_byte((luma + HALF + GREEN_OF_V * v + GREEN_OF_U * u) >> 20);
    result.blue = within_byte((luma + HALF + BLUE_OF_U * u) >> 20);
    return result;
}

template <int HALVINGS>
__device__ static Rgb halved_pixel(const unsigned char *frame, int width, int x, int y) {
    Rgb sum = {2, 2, 2};
    for (int corner = 0; corner < 4; ++corner) {
        Rgb part = halved_pixel<HALVINGS - 1>(frame, width, 2 * x + (corner & 1), 2 * y + (corner >> 1));
        sum.red += part.red;
        sum.green += part.green;
        sum.blue += part.blue;
    }
    sum.red >>= 2;
    sum.green >>= 2;
    sum.blue >>= 2;
    return sum;
}

template <>
__device__ Rgb halved_pixel<0>(const unsigned char *frame, int width, int x, int y) {
    return source_pixel(frame, width, x, y);
}

__device__ static Rgb level_pixel(const unsigned char *frame, int width, int halvings, int x, int y) {
    switch (halvings) {
    case 0:
        return halved_pixel<0>(frame, width, x, y);
    case 1:
        return halved_pixel<1>(frame, width, x, y);
    case 2:
        return halved_pixel<2>(frame, width, x, y);
    default:
        return halved_pixel<3>(frame, width, x, y);
    }
}

// The mean over the area that an input pixel covers in the halved frame, each pixel by its share.
__device__ static void write_pixel(
    const unsigned char *frame, unsigned char *input, int width, int height, int halvings,
    int input_width, int input_height, int x, int y)
{
    unsigned char *target = input + ((long)y * input_width + x) * 3;
    int level_width = width >> halvings, level_height = height >> halvings;
    if (level_width == input_width && level_height == input_height) {
        Rgb pixel = level_pixel(frame, width, halvings, x, y);
        target[0] = pixel.red;
        target[1] = pixel.green;
        target[2] = pixel.blue;
        return;
    }
    float across = (float)level_width / input_width, down = (float)level_height / input_height;
    float left = x * across, right = left + across, upper = y * down, lower = upper + down;
    float red = 0, green = 0, blue = 0, area = 0;
    for (int row = (int)upper; row < level_height && row < lower; ++row) {
        float tall = fminf(row + 1.0f, lower) - fmaxf((float)row, upper);
        for (int column = (int)left; column < level_width && column < right; ++column) {
            float share = tall * (fminf(column + 1.0f, right) - fmaxf((float)column, left));
            if (share < 1e-3f) continue;
            Rgb pixel = level_pixel(frame, width, halvings, column, row);
            red += share * pixel.red;
            green += share * pixel.green;
            blue += share * pixel.blue;
            area += share;
        }
    }
    target[0] = within_byte((int)rintf(red / area));
    target[1] = within_byte((int)rintf(green / area));
    target[2] = within_byte((int)rintf(blue / area));
}

extern "C" __global__ void uyvy_to_input(
    const unsigned char *frame, unsigned char *input, int width, int height, int halvings,
    int input_width, int input_height)
{
    int x = blockIdx.x * blockDim.x + threadIdx.x;
    int y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x < input_width && y < input_height) {
        write_pixel(frame, input, width, height, halvings, input_width, input_height, x, y);
    }
}
